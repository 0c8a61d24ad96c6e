"""The machine's TPM 2.0: swtpm, beside QEMU."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu import process

DEVICES = {"x86_64": "tpm-crb", "aarch64": "tpm-tis-device", "arm": "tpm-tis-device", "riscv64": "tpm-tis-device"}
END = 2.0
"""Seconds that it gets to end, when QEMU is gone, before it is killed."""


def tpm_arguments(arch: str, handle: int) -> list[str]:
    """QEMU's arguments; `handle` is the file of its end of the control channel."""
    device = f"{DEVICES[arch]},tpmdev=tpm"
    chardev = f"socket,id=tpm,fd={handle}"
    return ["-chardev", chardev, "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", device]


@asynccontextmanager
async def tpm(folder: Path) -> AsyncIterator[socket.socket]:
    """A TPM that keeps its state below `folder`; gives QEMU's end of the control channel.

    Raises:
        BenchError: swtpm is not installed.
    """
    program = shutil.which("swtpm")
    if program is None:
        raise BenchError("swtpm is not installed", blame="infra", help="apt-get install swtpm, or leave tpm out")
    state = folder / "tpm"
    state.mkdir(exist_ok=True)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [program, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl"]
            command += [f"type=unixio,clientfd={theirs.fileno()}", "--flags", "not-need-init"]
            started = await process.spawn(command, folder / "tpm.log", [theirs.fileno()])
        try:
            yield ours
        finally:
            ours.close()
            with anyio.CancelScope(shield=True):
                await process.end(started, END)
