"""Commands beside the device: in a session of their own, ended as a whole, with the last of what they said."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import anyio
from anyio.abc import Process

from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.process import spawn

TAIL = 4096
"""Bytes of a command's output that an error shows."""

GRACE = 1.0
"""Seconds that a command has between TERM and KILL."""

Command = str | list[str]
"""A command: a list is started as it is, text is given to `sh -c`."""


def argv(command: Command) -> list[str]:
    """The arguments to start."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else command


def shown(command: Command) -> str:
    """The command as one would type it."""
    return command if isinstance(command, str) else shlex.join(command)


async def run(command: Command, *, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        BenchError: it cannot be started, exits with another status than 0, or takes longer than `timeout` seconds.
    """
    with tempfile.TemporaryFile() as output:
        status = await _run(command, output, timeout, env)
        if status != 0:
            how = f"exited with {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
            raise BenchError(f"'{shown(command)}' {how}", said=_said(output), help="run it by hand on the bench")
        output.seek(0)
        return output.read(1 << 20).decode(errors="replace")


async def _run(command: Command, output: IO[bytes], timeout: float, env: Mapping[str, str] | None) -> int:
    process = await start(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
    try:
        with anyio.fail_after(timeout):
            return await process.wait()
    except TimeoutError as error:
        what = f"'{shown(command)}' had not ended after {Duration(timeout)}"
        raise BenchError(what, said=_said(output)) from error
    finally:
        if process.returncode is None:
            await end_session(process)


async def start(
    command: Command,
    *,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | None = None,
) -> Process:
    """Start a command in a session of its own; `user` is the id of whom it runs as.

    Raises:
        BenchError: it cannot be started.
    """
    try:
        return await spawn(
            argv(command), stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, user=user, group=user,
            extra_groups=None if user is None else (),
        )  # fmt: skip
    except OSError as error:
        raise BenchError(f"'{shown(command)}' could not be started: {error.strerror}", blame="config") from error


async def end_session(process: Process, first: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
    """End a command and all that it started in its session: politely, and after `grace` seconds for good."""
    with anyio.CancelScope(shield=True):
        _signal(process.pid, first)
        with anyio.move_on_after(grace):
            await process.wait()
        with anyio.move_on_after(GRACE):
            while any(members(process.pid)):  # those that it started are not our children: nothing tells of their end
                _signal(process.pid, signal.SIGKILL)
                await anyio.sleep(0.002)
        await process.wait()


def _signal(session: int, number: signal.Signals) -> None:
    for pid in members(session):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def members(session: int) -> Iterator[int]:
    """The live processes of a session: a shell with job control puts each job into a group of its own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] not in "ZX":
                    yield int(entry.name)


def _said(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - TAIL))
    return output.read().decode(errors="replace").strip()
