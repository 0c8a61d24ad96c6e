"""A command that has this process's terminal, as a shell has it; what a signal to us does to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from flowrunner.errors import PipelineError

KILL_AFTER = 10.0
"""Seconds that a command has to end after it was told to."""


class Child:
    """One command. At a terminal it is in our process group: Ctrl-C and Ctrl-Z reach both.

    Ctrl-C is then the command's business alone, as with system(3). Without a terminal it has a group of its own, so
    that what it started ends with it. Signals to us are passed on, as SIGHUP to an interactive shell, which heeds no
    SIGTERM.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, interactive: bool) -> None:
        self._command = command
        self._environment = dict(environment)
        self._interactive = interactive
        self._grouped = not interactive and not sys.stdin.isatty()
        self._process: asyncio.subprocess.Process | None = None
        self._asked: int | None = None
        self._killer: asyncio.TimerHandle | None = None

    async def run(self) -> int:
        """Run it to its end; its exit status, 128+n when it was ended by signal n or we were told by one to stop.

        Raises:
            PipelineError: it cannot be started.
        """
        with _terminal():
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, env=self._environment, process_group=0 if self._grouped else None
                )
            except OSError as error:
                what = f"'{self._command[0]}' could not be started: {error.strerror}"
                raise PipelineError(what, code="usage", help="write the command behind --") from error
            try:
                status = await self._process.wait()
            finally:
                await self._gone()
        if self._asked:
            return 128 + self._asked
        return status if status >= 0 else 128 - status

    def obey(self, number: int) -> None:
        """What a signal to this process does to the command."""
        if number in (signal.SIGINT, signal.SIGQUIT) and sys.stdin.isatty():
            return  # the terminal has told it already
        self._asked = self._asked or number
        self.end(number)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Tell it to end, and kill it when it does not."""
        self._send(signal.SIGHUP if self._interactive else number)
        self._send(signal.SIGCONT)
        if self._killer is None:
            self._killer = asyncio.get_running_loop().call_later(KILL_AFTER, self._send, signal.SIGKILL)

    async def _gone(self) -> None:
        """Leave nothing running: this is also reached when we are cancelled."""
        process = self._process
        assert process is not None
        if process.returncode is None:
            self.end()
            await asyncio.shield(process.wait())
        if self._killer:
            self._killer.cancel()

    def _send(self, number: int) -> None:
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                (os.killpg if self._grouped else os.kill)(self._process.pid, number)


@contextmanager
def _terminal() -> Iterator[None]:
    """Put the terminal back as it was, and into our hands: a shell that was killed leaves it in its own."""
    handle = sys.stdin.fileno()
    if not os.isatty(handle):
        yield
        return
    before: list[Any] = termios.tcgetattr(handle)
    try:
        yield
    finally:
        stops = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(OSError, termios.error):
            os.tcsetpgrp(handle, os.getpgrp())
            termios.tcsetattr(handle, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTTOU, stops)
