"""A command in a process group of its own, that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
from anyio.abc import ByteReceiveStream, Process

from flowrunner.errors import BenchError
from flowrunner.process import spawn
from flowrunner.step import Context

GRACE = 5.0
"""Seconds between asking a group to end and ending it."""

LINGER = 0.3
"""Seconds of silence after which a group whose first process has ended is taken to be done."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: its status, 128 and the signal's number when one ended it, and what was kept of its output.

    `cut` says that standard output was longer than what was kept.
    """

    status: int
    stdout: bytes
    stderr: bytes
    cut: bool

    @property
    def how(self) -> str:
        """How it ended, for a message."""
        return (
            f"was ended by {signal.Signals(self.status - 128).name}"
            if _signal(self.status)
            else f"exited {self.status}"
        )


async def execute(context: Context, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], keep: int) -> Ended:
    """Run `argv` to its end; its output is streamed, and `keep` bytes of each are kept.

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
    command = _Command(process, context, keep)
    with context.created("process", group=process.pid, command=list(argv)):
        return await command.ended()


class _Output:
    """What came from one pipe: the first `most` bytes are kept."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = bytearray()
        self.seen = 0
        self.done = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)

    async def follow(
        self, context: Context, stream: ByteReceiveStream | None, name: Literal["stdout", "stderr"]
    ) -> None:
        assert stream is not None
        with self.scope:
            async for piece in stream:
                self.seen += len(piece)
                self.kept += piece[: self.most - len(self.kept)]
                context.output(piece, stream=name)
            self.done.set()


class _Command:
    """A process that has started, and its pipes."""

    def __init__(self, process: Process, context: Context, keep: int) -> None:
        self.process = process
        self.context = context
        self.stdout = _Output(keep)
        self.stderr = _Output(keep)

    async def ended(self) -> Ended:
        """Follow the command to its end; when cancelled, end it, and follow it to that end."""
        try:
            await self._follow()
        finally:
            with anyio.CancelScope(shield=True):
                await self.process.aclose()
        status = self.process.returncode or 0
        cut = self.stdout.seen > len(self.stdout.kept)
        return Ended(status if status >= 0 else 128 - status, bytes(self.stdout.kept), bytes(self.stderr.kept), cut)

    async def _follow(self) -> None:
        async with anyio.create_task_group() as readers:
            readers.start_soon(self.stdout.follow, self.context, self.process.stdout, "stdout")
            readers.start_soon(self.stderr.follow, self.context, self.process.stderr, "stderr")
            try:
                await self.process.wait()
                await self._silence()
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(self.process)
                    await self._silence()
                    self.stdout.scope.cancel()
                    self.stderr.scope.cancel()

    async def _silence(self) -> None:
        """Wait until both pipes are closed, or nothing more comes from those who inherited them."""
        seen = -1
        while seen < (seen := self.stdout.seen + self.stderr.seen):
            with anyio.move_on_after(LINGER):
                await self.stdout.done.wait()
                await self.stderr.done.wait()
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


def _signal(status: int) -> bool:
    return status > 128 and status - 128 in set(signal.Signals)
