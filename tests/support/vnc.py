"""Real VNC servers and what they show: TigerVNC with a terminal in it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process

KEYS = bytes.fromhex("31c08ed8baf803b021ee31c0cd16b40e31db50cd1058baf803eeebee")
"""A boot sector that prints ! on COM1, then each key that is pressed, on the screen and on COM1.

    xor %ax,%ax; mov %ax,%ds; mov $0x3f8,%dx; mov $'!',%al; out %al,%dx
    1: xor %ax,%ax; int $0x16; mov $0xe,%ah; xor %bx,%bx; push %ax; int $0x10; pop %ax; mov $0x3f8,%dx; out %al,%dx; jmp 1b
"""

START = 20.0
"""Seconds that a server may take to listen."""


@dataclass(frozen=True)
class Desktop:
    """A server at `port` of loopback; programs are shown on `display`."""

    port: int
    display: str
    folder: Path

    @asynccontextmanager
    async def program(self, *command: str) -> AsyncIterator[Process]:
        """A program on this screen."""
        environment = {"DISPLAY": self.display, "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        async with running(command, self.folder / "program.log", environment) as process:
            yield process


@asynccontextmanager
async def desktop(folder: Path, *options: str, password: str | None = None) -> AsyncIterator[Desktop]:
    """Xvnc on a free port and a free display; with a password as its clients need it."""
    kind = ["-SecurityTypes", "None"]
    if password is not None:
        done = subprocess.run(["tigervncpasswd", "-f"], input=password.encode(), capture_output=True, check=True)
        (folder / "passwd").write_bytes(done.stdout)
        kind = ["-SecurityTypes", "VncAuth", "-PasswordFile", str(folder / "passwd")]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = ["Xtigervnc", "-rfbport", str(port), "-localhost", "-geometry", "640x480", "-depth", "24"]
    command += ["-nolisten", "tcp", "-displayfd", "1", *kind, *options]
    log = folder / "vnc.log"
    async with running(command, log) as process:
        with anyio.fail_after(START):
            while not (line := log.read_bytes().partition(b"\n")[0]).isdigit():
                assert process.returncode is None, log.read_text()
                await anyio.sleep(0.01)
        yield Desktop(port, f":{line.decode()}", folder)


@asynccontextmanager
async def running(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[Process]:
    """A program; its standard output goes to `log`."""
    with log.open("wb") as out:
        process = await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, env=environment
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()
