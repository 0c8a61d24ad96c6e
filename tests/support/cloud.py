"""A small Linux for machines under QEMU: it is in memory whole, and says what it found on its cloud-init disk."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from flowrunner.interface import ByteStream
from flowrunner_drivers.machine.qemu import Qemu
from tests.support.machines import machine, read_until

ROOT = Path(__file__).parents[2]
UP = 60.0
"""Seconds that it may take to come up, on a machine with much else to do."""


@cache
def guest() -> Path:
    """The folder with its kernel and its disks, built when it is not there."""
    built = subprocess.run([sys.executable, ROOT / "tools/build_guest.py"], check=True, capture_output=True, text=True)
    return Path(built.stdout.strip())


def cloud(words: str = "", **config: Any) -> Qemu:
    """A machine with that system; `words` are more of its kernel's command line."""
    files = {"kernel": guest() / "vmlinuz", "initrd": guest() / "cloud.gz"}
    return machine(**{"mem": "160M", "append": f"console=ttyS0 quiet {words}", **files, **config})


async def up(console: ByteStream) -> None:
    """Wait for its prompt."""
    await read_until(console, b" is up\r\n", UP)
    await read_until(console, b"/ # ", UP)


async def say(console: ByteStream, command: str, within: float = 20.0) -> str:
    """What a command prints."""
    await console.send(f"{command}; echo e''nd\n".encode())
    said = (await read_until(console, b"\r\nend\r\n", within)).decode()
    return said.partition("e''nd\r\n")[2].removesuffix("\r\nend\r\n").strip()
