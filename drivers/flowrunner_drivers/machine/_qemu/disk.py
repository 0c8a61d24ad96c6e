"""The machine's files: its disk, and the firmware that can be flashed beside it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio.to_thread

from flowrunner.errors import BenchError, near
from flowrunner.image.medium import Medium
from flowrunner.image.write import write_image
from flowrunner.interfaces.storage import Image, Written
from flowrunner_drivers.machine._qemu.config import Format, QemuConfig

PARTITIONS = ("root", "bios", "kernel", "initrd", "OVMF_CODE.fd", "OVMF_VARS.fd")
PIECE = 1 << 20
MAGIC: dict[bytes, Format] = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk"}
"""First bytes of the formats that are not raw: QEMU's docs/interop/qcow2.txt, VMware's Virtual Disk Format 5.0."""


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk as QEMU gets it; with `snapshot` the guest's writes go elsewhere and are lost."""

    path: Path
    format: Format
    snapshot: Literal["on", "off"] = "off"


class Disk:
    """The files of one machine. What is flashed lies in `folder`, but for a disk that the config names."""

    def __init__(self, config: QemuConfig) -> None:
        self._config = config
        self._own = {name: path.expanduser() for name, path in config.default_partitions.items()}
        self._flashed: dict[str, Path] = {}
        self._format: Format | None = None
        self._folder = Path()

    async def open(self, folder: Path) -> None:
        """Use `folder` from now on, and make the disk that the config asks for.

        Raises:
            BenchError: a file that the config names is not there, or the disk cannot be made.
        """
        self._folder = folder
        self._flashed.clear()
        self._format = None
        for name, path in self._own.items():
            if name not in PARTITIONS:
                raise BenchError(f"there is no partition '{name}'", blame="config", help=near(name, PARTITIONS))
            if not path.is_file():
                raise BenchError(f"there is no file '{path}' for the partition '{name}'", blame="config")
        place = self._place("root")
        if place.exists() or (self._config.disk_size is not None and "root" not in self._own):
            await anyio.to_thread.run_sync(self._make, place)

    def files(self) -> dict[str, Path]:
        """The machine's files by what they are, without the disk."""
        return {name: path for name, path in (self._own | self._flashed).items() if name != "root"}

    def root(self) -> Drive | None:
        """The disk; None when there is none yet."""
        wanted = None if self._config.disk_format == "auto" else self._config.disk_format
        if "root" in self._flashed:
            return Drive(self._flashed["root"], wanted or self._format or "raw")
        if "root" in self._own:
            return Drive(self._own["root"], wanted or _format(self._own["root"]), "on")
        return None

    async def flash(self, image: Image, target: str | None) -> Written:
        """Write an image; `target` is `root` unless it is named.

        Raises:
            BenchError: no such target, or what `write_image` says.
        """
        name = self._known(target)
        path = self._place(name)
        handle = await anyio.to_thread.run_sync(_open, path)
        try:
            capacity = self._config.disk_size if name == "root" else None
            written = await write_image(image, Medium(handle, f"the machine's {name}", capacity))
            self._flashed[name] = path
            if name == "root":
                self._format = _format(path)
        finally:
            os.close(handle)
        return written

    async def dump(self, target: str | None, length: int | None) -> AsyncGenerator[bytes, None]:
        """The content of a file from its start.

        Raises:
            BenchError: no such target, or nothing is there.
        """
        name = self._known(target)
        path = (self._own | self._flashed).get(name)
        if path is None:
            raise BenchError(f"the machine has no '{name}' yet", help="flash one, or name a file for it in the config")
        left = path.stat().st_size if length is None else length
        async with await anyio.open_file(path, "rb") as file:
            while left > 0 and (data := await file.read(min(left, PIECE))):
                left -= len(data)
                yield data

    def _known(self, target: str | None) -> str:
        name = target or "root"
        if name not in PARTITIONS:
            raise BenchError(f"there is no partition '{name}'", blame="config", help=near(name, PARTITIONS))
        return name

    def _place(self, name: str) -> Path:
        """Where a flash goes."""
        disk = self._config.disk if name == "root" else None
        return disk.expanduser() if disk else self._folder / name

    def _make(self, path: Path) -> None:
        handle = _open(path)
        try:
            if self._config.disk_size is not None and os.fstat(handle).st_size < self._config.disk_size:
                os.ftruncate(handle, self._config.disk_size)
        finally:
            os.close(handle)
        self._flashed["root"] = path


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BenchError(f"'{path}' could not be opened: {error.strerror}", blame="infra") from error


def _format(path: Path) -> Format:
    with path.open("rb") as file:
        return MAGIC.get(file.read(4), "raw")
