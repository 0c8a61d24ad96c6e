"""QEMU as a process that never outlives this one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio.abc import Process

from flowrunner import process
from flowrunner.errors import BenchError

PACKAGES = {
    "x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm", "arm": "qemu-system-arm", "riscv64": "qemu-system-misc",
}  # fmt: skip
STILL_THERE = '[ "$PPID" = "$0" ] && exec "$@"'
WITHOUT_SETPRIV = """import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.getppid() == int(sys.argv[1]) and os.execvp(sys.argv[2], sys.argv[2:])"""
"""prctl(PR_SET_PDEATHSIG, SIGKILL), then the program: prctl(2)."""

LINES = 12


def program(arch: str) -> str:
    """The path of QEMU.

    Raises:
        BenchError: it is not installed.
    """
    name = f"qemu-system-{arch}"
    found = shutil.which(name)
    if found is None:
        raise BenchError(f"{name} is not installed", blame="infra", help=f"apt-get install {PACKAGES[arch]}")
    return found


async def spawn(command: Sequence[str], log: Path, files: Sequence[int]) -> Process:
    """Start QEMU in a session of its own, saying what it says to `log`, and let it have these open `files`.

    The kernel kills it when the thread that started it is gone, be it by kill -9. The signal is set by a program that
    then becomes QEMU, for it cannot be set safely between fork and exec of a process that has threads. If this process
    was gone even before that, QEMU is not started at all.
    """
    setpriv = shutil.which("setpriv")
    guard = [sys.executable, "-ISc", WITHOUT_SETPRIV]
    if setpriv:
        guard = [setpriv, "--pdeathsig", "KILL", "--", "sh", "-c", STILL_THERE]
    with log.open("wb") as said:
        return await process.spawn(
            [*guard, str(os.getpid()), *command], stdin=subprocess.DEVNULL, stdout=said, stderr=said, pass_fds=files
        )


async def end(running: Process, timeout: float) -> None:
    """Wait until `running` is gone: `timeout` seconds, then SIGTERM and as long again, then SIGKILL."""
    for kill in (running.terminate, running.kill):
        with anyio.move_on_after(timeout):
            await running.wait()
            return
        if running.returncode is None:
            kill()
    await running.wait()


def how_ended(status: int) -> str:
    """How QEMU ended, in words."""
    if status < 0:
        return f"QEMU was killed by {signal.Signals(-status).name}"
    return f"QEMU ended with status {status}" if status else "it shut itself down"


def last_lines(log: Path) -> str:
    """The last lines that QEMU said."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LINES:]) if log.exists() else ""
