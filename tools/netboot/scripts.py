"""A boot script as U-Boot reads it: a legacy image of type script. Source: include/image.h of U-Boot."""

from __future__ import annotations

import struct
import zlib

MAGIC = 0x27051956
LINUX, ARM64, SCRIPT, PLAIN = 5, 22, 6, 0


def boot_script(text: str, epoch: int) -> bytes:
    """The file `boot.scr`."""
    body = text.encode()
    data = struct.pack(">II", len(body), 0) + body
    fields = (len(data), 0, 0, zlib.crc32(data), LINUX, ARM64, SCRIPT, PLAIN, b"boot")
    crc = zlib.crc32(struct.pack(">IIIIIIIBBBB32s", MAGIC, 0, epoch, *fields))
    return struct.pack(">IIIIIIIBBBB32s", MAGIC, crc, epoch, *fields) + data
