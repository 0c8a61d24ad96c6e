"""The machine's files: its disk, and the firmware that can be flashed beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from flowrunner.errors import BenchError, near
from flowrunner.image.medium import Medium
from flowrunner.image.write import write_image
from flowrunner.interfaces.storage import Image, Written
from flowrunner.model import Size
from flowrunner_drivers.machine._qemu import images
from flowrunner_drivers.machine._qemu.config import Format, QemuConfig
from flowrunner_drivers.machine._qemu.firmware import find_firmware

CODE, VARIABLES = "OVMF_CODE.fd", "OVMF_VARS.fd"
PARTITIONS = ("root", "bios", "kernel", "initrd", CODE, VARIABLES)
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk as QEMU gets it."""

    path: Path
    format: Format


class Disk:
    """The files of one machine. What is flashed lies in `folder`, but for a disk that the config names.

    A file of the author's is never written: the guest gets a disk that lies on top of it.
    """

    def __init__(self, config: QemuConfig) -> None:
        self._config = config
        self._own: dict[str, Path] = {}
        self._flashed: dict[str, Path] = {}
        self._format: Format | None = None
        self._folder = Path()
        self._size = config.disk_size

    async def open(self, folder: Path) -> None:
        """Use `folder` from now on, and make the disk that the config asks for.

        Raises:
            BenchError: a file that the config names is not there, or the disk cannot be made.
        """
        self._folder = folder
        self._flashed.clear()
        self._format = None
        self._size = self._config.disk_size
        self._own = {name: path.expanduser() for name, path in self._config.default_partitions.items()}
        for name, path in self._own.items():
            if name not in PARTITIONS:
                raise BenchError(f"there is no partition '{name}'", blame="config", help=near(name, PARTITIONS))
            if not path.is_file():
                raise BenchError(f"there is no file '{path}' for the partition '{name}'", blame="config")
        if self._config.firmware != "bios":
            found = find_firmware(self._config)
            self._own = {CODE: found.code, VARIABLES: found.variables} | self._own
        place = self._place("root")
        if place.exists() or (self._size is not None and "root" not in self._own):
            await self._make(place, fresh=not place.exists())

    async def files(self) -> dict[str, Path]:
        """The machine's files by what they are, without the disk; UEFI's variables are a copy that it may write."""
        if VARIABLES in self._own and VARIABLES not in self._flashed:
            place = self._place(VARIABLES)
            await anyio.to_thread.run_sync(shutil.copyfile, self._own[VARIABLES], place)
            self._flashed[VARIABLES] = place
        return {name: path for name, path in (self._own | self._flashed).items() if name != "root"}

    async def root(self) -> Drive | None:
        """The disk, as large as it shall be; None when there is none yet.

        Raises:
            BenchError: it cannot be made.
        """
        base = (self._own | self._flashed).get("root")
        if base is None:
            return None
        found = self._base(base)
        if "root" in self._flashed and (not self._config.snapshots or found.format == "qcow2"):
            if found.format == "qcow2" and self._size:
                await images.grow(found.path, found.format, self._size)
            return found
        if self._config.disk and "root" in self._flashed:
            raise BenchError(
                f"the disk '{base}' cannot keep snapshots",
                blame="config",
                help="it stays: let its disk_format be qcow2",
            )
        if not self._overlay.exists():
            await images.overlay(self._overlay, found.path, found.format, self._size)
        return Drive(self._overlay, "qcow2")

    async def resize(self, size: Size) -> None:
        """Make the disk as large as `size`; there may be none yet.

        Raises:
            BenchError: it is larger.
        """
        now = await self.root()
        if now:
            await images.grow(now.path, now.format, size)
        self._size = size

    async def flash(self, image: Image, target: str | None) -> Written:
        """Write an image; `target` is `root` unless it is named.

        Raises:
            BenchError: no such target, or what `write_image` says.
        """
        name = self._known(target)
        path = self._place(name)
        handle = await anyio.to_thread.run_sync(_open, path)
        try:
            capacity = self._size if name == "root" else None
            written = await write_image(image, Medium(handle, f"the machine's {name}", capacity))
            self._flashed[name] = path
            if name == "root":
                self._overlay.unlink(missing_ok=True)
                self._format = images.format_of(path)
        finally:
            os.close(handle)
        return written

    async def dump(self, target: str | None, length: int | None) -> AsyncGenerator[bytes, None]:
        """The content of a file from its start; of a disk that lies on a file of the author's, what the guest sees.

        Raises:
            BenchError: no such target, or nothing is there.
        """
        name = self._known(target)
        path = (self._own | self._flashed).get(name)
        if path is None:
            raise BenchError(f"the machine has no '{name}' yet", help="flash one, or name a file for it in the config")
        flat = self._folder / "dump"
        try:
            if name == "root" and self._overlay.exists():
                await images.flatten(self._overlay, flat)
                path = flat
            left = path.stat().st_size if length is None else length
            async with await anyio.open_file(path, "rb") as file:
                while left > 0 and (data := await file.read(min(left, PIECE))):
                    left -= len(data)
                    yield data
        finally:
            flat.unlink(missing_ok=True)

    @property
    def _overlay(self) -> Path:
        return self._folder / "overlay.qcow2"

    def _base(self, path: Path) -> Drive:
        wanted = None if self._config.disk_format == "auto" else self._config.disk_format
        seen = self._format or "raw" if "root" in self._flashed else images.format_of(path)
        return Drive(path, wanted or seen)

    def _known(self, target: str | None) -> str:
        name = target or "root"
        if name not in PARTITIONS:
            raise BenchError(f"there is no partition '{name}'", blame="config", help=near(name, PARTITIONS))
        return name

    def _place(self, name: str) -> Path:
        """Where a flash goes."""
        disk = self._config.disk if name == "root" else None
        return disk.expanduser() if disk else self._folder / name

    async def _make(self, path: Path, *, fresh: bool) -> None:
        format = self._config.disk_format
        packed = format not in ("auto", "raw")
        if packed and fresh:
            await images.create(path, format, self._size or Size(0))  # type: ignore[arg-type]
        else:
            await anyio.to_thread.run_sync(_extend, path, None if packed else self._size)
        self._flashed["root"] = path


def _extend(path: Path, size: Size | None) -> None:
    handle = _open(path)
    try:
        if size is not None and os.fstat(handle).st_size < size:
            os.ftruncate(handle, size)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BenchError(f"'{path}' could not be opened: {error.strerror}", blame="infra") from error
