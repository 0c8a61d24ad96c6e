"""A command in a process group of its own, that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from flowrunner.errors import BenchError
from flowrunner.process import spawn
from flowrunner.step import Context
from flowrunner_steps._command import Printed, Stream

GRACE = 5.0
"""Seconds between asking a group to end and ending it."""

LINGER = 0.3
"""Seconds of silence after which a group whose first process has ended is taken to be done."""


async def execute(context: Context, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], printed: Printed) -> int:
    """Run `argv` to its end; returns its status, 128 and the signal's number when one ended it.

    Cancelling it ends the whole group: first asked, then forced.

    Raises:
        BenchError: there is no such command, or it cannot be started.
    """
    try:
        process = await spawn(argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL)
    except OSError as error:
        raise BenchError(
            f"the command '{argv[0]}' cannot be run: {error.strerror}",
            blame="config",
            help="is it installed, and on PATH?",
        ) from error
    command = _Command(process, printed)
    with context.created("process", group=process.pid, command=list(argv)):
        return await command.ended()


class _Pipe:
    """One of the pipes that a command writes to."""

    def __init__(self, name: Stream, stream: ByteReceiveStream | None) -> None:
        assert stream is not None
        self.name: Stream = name
        self.stream = stream
        self.done = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)

    async def follow(self, printed: Printed) -> None:
        with self.scope:
            async for piece in self.stream:
                await printed.take(self.name, piece)
            self.done.set()


class _Command:
    """A process that has started, and its pipes."""

    def __init__(self, process: Process, printed: Printed) -> None:
        self.process = process
        self.printed = printed
        self.pipes = (_Pipe("stdout", process.stdout), _Pipe("stderr", process.stderr))

    async def ended(self) -> int:
        """Follow the command to its end; when cancelled, end it, and follow it to that end."""
        try:
            await self._follow()
        finally:
            with anyio.CancelScope(shield=True):
                await self.process.aclose()
        status = self.process.returncode or 0
        return status if status >= 0 else 128 - status

    async def _follow(self) -> None:
        async with anyio.create_task_group() as readers:
            for pipe in self.pipes:
                readers.start_soon(pipe.follow, self.printed)
            try:
                await self.process.wait()
                await self._silence()
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(self.process)
                    await self._silence()
                    for pipe in self.pipes:
                        pipe.scope.cancel()

    async def _silence(self) -> None:
        """Wait until both pipes are closed, or nothing more comes from those who inherited them."""
        seen = -1
        while seen < (seen := self.printed.seen):
            with anyio.move_on_after(LINGER):
                for pipe in self.pipes:
                    await pipe.done.wait()
                return


async def _end(process: Process) -> None:
    """End what is left of the group, and reap its first process."""
    for sign, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        if not _lives(process.pid):
            break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with anyio.move_on_after(patience):
            while _lives(process.pid):  # noqa: ASYNC110 - nothing tells when somebody else's child ends
                await anyio.sleep(0.01)
    await process.wait()


def _lives(group: int) -> bool:
    """Whether the group has a member that is more than a zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return any(_member(stat, group) for stat in Path("/proc").glob("[0-9]*/stat"))


def _member(stat: Path, group: int) -> bool:
    try:
        state, _parent, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(its_group) == group and state not in "ZX"
