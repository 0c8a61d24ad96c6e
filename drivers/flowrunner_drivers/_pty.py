"""A command that thinks it sits at a terminal."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import tty
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner_drivers._process import Command, argv, end_session, start

READ = 1 << 16

AT_TERMINAL = 'exec "$@" <>"$0" >&0 2>&0'
"""A session's leader gets the first terminal that it opens as its own: so `sh` opens it once more, by name."""


class Terminal:
    """Our end of the terminal: what the command prints, and what it reads."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    async def receive(self) -> bytes:
        """Some of what it prints.

        Raises:
            anyio.EndOfStream: no process has the terminal open any more.
        """
        while True:
            try:
                data = os.read(self._handle, READ)
            except BlockingIOError:
                await anyio.wait_readable(self._handle)
                continue
            except OSError as error:
                raise anyio.EndOfStream from error
            if not data:
                raise anyio.EndOfStream
            return data

    async def send(self, data: bytes) -> None:
        """Type `data`.

        Raises:
            anyio.BrokenResourceError: no process has the terminal open any more.
        """
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._handle, left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._handle)
            except OSError as error:
                raise anyio.BrokenResourceError from error


@asynccontextmanager
async def at_terminal(
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    raw: bool = False,
    user: int | None = None,
) -> AsyncIterator[Terminal]:
    """Start a command at a terminal of its own; its end, and leaving this, ends all that it started there.

    `raw` is a terminal that neither echoes nor changes line endings.

    Raises:
        BenchError: it cannot be started.
    """
    wanted = argv(command)
    if not shutil.which(wanted[0], path=(os.environ if env is None else env).get("PATH")):
        raise BenchError(f"'{wanted[0]}' could not be started: there is no such command", blame="config")
    ours, theirs = pty.openpty()
    try:
        os.set_blocking(ours, False)
        if raw:
            tty.setraw(theirs)
        if user is not None:
            os.fchown(theirs, user, -1)
        shell = ["/bin/sh", "-c", AT_TERMINAL, os.ttyname(theirs), *wanted]
        process = await start(shell, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd, user=user)
        os.close(theirs)
        theirs = -1

        async def hang_up() -> None:
            await process.wait()
            await end_session(process, signal.SIGHUP)

        try:
            async with beside(hang_up):
                yield Terminal(ours)
        finally:
            await end_session(process, signal.SIGHUP)
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
