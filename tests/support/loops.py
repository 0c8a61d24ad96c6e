"""Block devices to write to, on files: the kernel's loop devices."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81
"""Requests of `linux/loop.h`."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices and mounts need root")


@contextmanager
def loop(file: Path, size: int, *, blank: bool = False, partition: bool = False) -> Iterator[Path]:
    """A block device of `size` bytes on `file`, full of 0xAA; a `blank` one takes room as it is written.

    With `partition` it has one, which begins at 1 MiB.
    """
    file.write_bytes(b"" if blank else b"\xaa" * size)
    os.truncate(file, size)
    if partition:
        subprocess.run(["sfdisk", "-q", str(file)], input="label: dos\n2048,,L\n", check=True, text=True)
    device = subprocess.run(
        ["losetup", "-P", "-f", "--show", str(file)], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        yield Path(device)
    finally:
        subprocess.run(["losetup", "-d", device], capture_output=True)


@contextmanager
def empty_loop() -> Iterator[Path]:
    """A block device without a medium, for a test to attach one: nobody else is given it meanwhile.

    `losetup -f` takes the lowest number that is free, this one is far above.
    """
    number = 1000 + os.getpid()
    control = os.open("/dev/loop-control", os.O_RDWR)
    try:
        fcntl.ioctl(control, LOOP_CTL_ADD, number)
        yield Path(f"/dev/loop{number}")
    finally:
        subprocess.run(["losetup", "-d", f"/dev/loop{number}"], capture_output=True)
        _remove(control, number)
        os.close(control)


def _remove(control: int, number: int) -> None:
    """Remove a loop device, which may be open for a moment longer."""
    for _ in range(200):
        try:
            fcntl.ioctl(control, LOOP_CTL_REMOVE, number)
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"/dev/loop{number} is still in use")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system with `size` bytes at `folder`."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
