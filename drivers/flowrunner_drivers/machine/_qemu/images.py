"""Disk images, by qemu-img."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from flowrunner.errors import BenchError
from flowrunner.model import Size
from flowrunner_drivers._process import run
from flowrunner_drivers.machine._qemu.config import Format

MAGIC: dict[bytes, Format] = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk"}
"""First bytes of the formats that are not raw: QEMU's docs/interop/qcow2.txt, VMware's Virtual Disk Format 5.0."""

QUICK = 60.0
"""Seconds for what takes a moment."""

LONG = 1800.0
"""Seconds for what reads all of a disk."""


def format_of(path: Path) -> Format:
    """The format, from the first bytes."""
    with path.open("rb") as file:
        return MAGIC.get(file.read(4), "raw")


async def create(path: Path, format: Format, size: Size) -> None:
    """A new, empty disk."""
    await _qemu_img("create", "-q", "-f", format, str(path), str(int(size)))


async def overlay(path: Path, base: Path, format: Format, size: Size | None) -> None:
    """A disk on top of `base`, which is read only, at least as large as that.

    Raises:
        BenchError: `size` is less than what is on the base.
    """
    options = ("-b", f"{base}", "-F", format, str(path))
    given = (str(await _at_least(base, format, size)),) if size is not None else ()
    await _qemu_img("create", "-q", "-f", "qcow2", *options, *given)


async def grow(path: Path, format: Format, size: Size) -> None:
    """Make a disk larger.

    Raises:
        BenchError: it is larger than `size`.
    """
    if await _at_least(path, format, size) > await virtual_size(path, format):
        await _qemu_img("resize", "-q", "-f", format, str(path), str(int(size)))


async def flatten(path: Path, to: Path) -> None:
    """What a guest sees of a disk, as a raw file."""
    await _qemu_img("convert", "-O", "raw", str(path), str(to), limit=LONG)


async def virtual_size(path: Path, format: Format) -> Size:
    """How large a guest sees a disk."""
    said = await _qemu_img("info", "--output=json", "-U", "-f", format, str(path))
    return Size(json.loads(said)["virtual-size"])


async def _at_least(path: Path, format: Format, size: Size) -> int:
    now = await virtual_size(path, format)
    if size < now:
        what = f"the disk has {now}, it cannot become smaller: {size}"
        raise BenchError(what, blame="config", help="a smaller one would cut off what is at its end")
    return int(size)


async def _qemu_img(*arguments: str, limit: float = QUICK) -> str:
    program = shutil.which("qemu-img")
    if program is None:
        raise BenchError("qemu-img is not installed", blame="infra", help="apt-get install qemu-utils")
    return await run([program, *arguments], timeout=limit)
