"""Commands beside the device: in a group of their own, ended as a group, with the last of what they said."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO

import anyio
from anyio.abc import Process

from flowrunner.errors import BenchError
from flowrunner.model import Duration

TAIL = 4096
"""Bytes of a command's output that an error shows."""

GRACE = 5.0
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
        try:
            async with group(argv(command), output, env) as process:
                with anyio.fail_after(timeout):
                    status = await process.wait()
        except TimeoutError as error:
            what = f"'{shown(command)}' had not ended after {Duration(timeout)}"
            raise BenchError(what, said=_said(output)) from error
        except OSError as error:
            raise BenchError(f"'{shown(command)}' could not be started: {error.strerror}", blame="config") from error
        if status != 0:
            how = f"exited with {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
            raise BenchError(f"'{shown(command)}' {how}", said=_said(output), help="run it by hand on the bench")
        output.seek(0)
        return output.read(1 << 20).decode(errors="replace")


@asynccontextmanager
async def group(command: Sequence[str], output: IO[bytes], env: Mapping[str, str] | None) -> AsyncIterator[Process]:
    """A command in a process group of its own; the group is gone when this is left early."""
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await end_group(process)


async def end_group(process: Process) -> None:
    """End a group: TERM, and KILL for what is left after a while."""
    with anyio.CancelScope(shield=True):
        signal_group(process.pid, signal.SIGTERM)
        with anyio.move_on_after(GRACE):
            await process.wait()
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a group; one that is gone is no error."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _said(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - TAIL))
    return output.read().decode(errors="replace").strip()
