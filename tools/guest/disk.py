"""The disk image: a partition table, a FAT partition that boots by itself, and an ext4 partition."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

SECTOR = 512
MIB = 1 << 20
BOOT_START, BOOT_SIZE = 1 * MIB, 32 * MIB
ROOT_START, ROOT_SIZE = 33 * MIB, 31 * MIB
SERIAL = "f1004c0d"
UUID = "f1004c0d-0000-4000-8000-000000000001"


def make(
    image: Path, *, boot: Mapping[str, Path], root: Path, mbr: Path, environment: Mapping[str, str], epoch: int
) -> None:
    """Make `image` with the files `boot` on its first partition and the tree `root` on its second."""
    with image.open("wb") as file:
        file.truncate(ROOT_START + ROOT_SIZE)
        file.write(mbr.read_bytes()[:440].ljust(440, b"\0") + _table())
    _fat(image, boot, environment, epoch)
    _ext4(image, root, environment)


def _table() -> bytes:
    """The last 72 bytes of the master boot record: disk signature, four entries, signature."""
    entries = (_entry(0x80, 0x0E, BOOT_START, BOOT_SIZE), _entry(0, 0x83, ROOT_START, ROOT_SIZE))
    return bytes.fromhex(SERIAL) + b"\0\0" + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def _entry(active: int, kind: int, start: int, size: int) -> bytes:
    """One entry; cylinders, heads and sectors are not used (all ones), the linear addresses are."""
    unused = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", active, unused, kind, unused, start // SECTOR, size // SECTOR)


def _fat(image: Path, files: Mapping[str, Path], environment: Mapping[str, str], epoch: int) -> None:
    place = f"{image}@@{BOOT_START}"
    heads, sectors = 64, 32
    geometry = ["-h", str(heads), "-s", str(sectors), "-T", str(BOOT_SIZE // SECTOR), "-H", str(BOOT_START // SECTOR)]
    _run(environment, "mformat", "-i", place, *geometry, "-N", SERIAL, "::")
    _run(environment, "syslinux", "--offset", str(BOOT_START), "--install", str(image))
    for name, path in files.items():
        copy = image.parent / name
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (epoch, epoch))
        _run(environment, "mcopy", "-m", "-i", place, str(copy), f"::{name}")
        copy.unlink()


def _ext4(image: Path, root: Path, environment: Mapping[str, str]) -> None:
    kind = ["-t", "ext4", "-O", "^has_journal,^metadata_csum_seed", "-b", "1024", "-m", "0", "-L", "root", "-U", UUID]
    options = f"offset={ROOT_START},hash_seed={UUID},root_owner=0:0"
    size = f"{ROOT_SIZE // 1024}k"
    _run(environment, "mke2fs", "-q", "-F", *kind, "-E", options, "-d", str(root), str(image), size)


def _run(environment: Mapping[str, str], *command: str) -> None:
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
