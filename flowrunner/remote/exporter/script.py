"""A hook's script: run at a terminal, in a session of its own, line by line into the log."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from flowrunner.bench.config import Hook
from flowrunner.process import spawn

KILL_PAUSE = 5.0
"""Seconds between SIGTERM and SIGKILL, when time has run out."""

LONGEST_LINE = 4096
"""Bytes of a line that are kept."""


def command(hook: Hook, folder: Path) -> list[str]:
    """What runs a hook: a file that `script` names (relative to `folder`), else `script` as text."""
    file = folder / hook.script.strip() if "\n" not in hook.script.strip() else None
    try:
        is_file = file is not None and file.is_file()
    except OSError:  # such as a name that is too long: it is no name
        is_file = False
    if not is_file or file is None:
        return [hook.exec or "/bin/sh", "-c", hook.script]
    interpreter = hook.exec or (sys.executable if file.suffix == ".py" else "/bin/sh")
    return [interpreter, str(file)]


async def run_script(
    argv: list[str], *, environment: Mapping[str, str], timeout: float, folder: Path, say: Callable[[str], None]
) -> str | None:
    """Run it to its end; `say` is told each line. Returns what went wrong, None when it exited 0.

    After `timeout` seconds, and when this is cancelled, the whole session is ended.
    """
    near, far = pty.openpty()
    try:
        process = await spawn(argv, stdin=far, stdout=far, stderr=far, env=dict(environment), cwd=folder)
    except OSError as error:
        os.close(near)
        return f"'{argv[0]}' could not be started: {error.strerror}"
    finally:
        os.close(far)
    limit = anyio.CancelScope(deadline=anyio.current_time() + timeout)
    try:
        async with anyio.create_task_group() as tasks:
            read = anyio.Event()
            tasks.start_soon(_read, near, say, read)
            with limit:
                await process.wait()
            await _end(process)
            with anyio.move_on_after(1):  # one that has left the session may keep the terminal open
                await read.wait()
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
            await process.aclose()
        os.close(near)
    if limit.cancelled_caught:
        return f"it was not done within {timeout:g}s"
    return _words(process.returncode)


def _words(status: int | None) -> str | None:
    if not status:
        return None
    return f"it was ended by {signal.Signals(-status).name}" if status < 0 else f"it exited {status}"


async def _end(process: Process) -> None:
    """End whatever is left of its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        with anyio.move_on_after(KILL_PAUSE if process.returncode is None else 0.2, shield=True):
            await process.wait()
            await anyio.sleep(0.2 if number == signal.SIGTERM else 0)


async def _read(terminal: int, say: Callable[[str], None], read: anyio.Event) -> None:
    os.set_blocking(terminal, False)
    line = b""
    try:
        while True:
            with suppress(BlockingIOError):
                data = os.read(terminal, 65536)
                *lines, line = (line + data).split(b"\n")
                for one in lines:
                    say(_shown(one))
                line = line[:LONGEST_LINE]
                if not data:
                    break
                continue
            await anyio.wait_readable(terminal)
    except OSError:  # Linux says so when no process has the terminal open any more
        pass
    finally:
        if line:
            say(_shown(line))
        read.set()


def _shown(line: bytes) -> str:
    return line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")
