"""Real machines for tests: programs of a few bytes that run under QEMU, and images to flash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import anyio
from PIL import Image as Picture

from flowrunner.interface import ByteStream
from flowrunner.interfaces.storage import Extent, Image
from flowrunner_drivers.machine.qemu import Qemu

ECHO = bytes.fromhex(
    "31c08ed8fcbe347cac08c07405e81300ebf6bafd03eca80174f8baf803ece80200ebef88c4bafd03eca82074fbbaf80388e0eec3"
)
"""A boot sector that prints the text behind it on COM1, then sends back whatever comes.

    start: xor %ax,%ax; mov %ax,%ds; cld; mov $msg,%si
    next:  lodsb; or %al,%al; jz echo; call put; jmp next
    echo:  mov $0x3fd,%dx; in %dx,%al; test $1,%al; jz echo; mov $0x3f8,%dx; in %dx,%al; call put; jmp echo
    put:   mov %al,%ah; mov $0x3fd,%dx; 1: in %dx,%al; test $0x20,%al; jz 1b; mov $0x3f8,%dx; mov %ah,%al; out %al,%dx; ret
    msg:
"""

CHATTER = bytes.fromhex("bafd03eca82074fbbaf803b078eeebf0")
"""A boot sector that prints x for ever: 1: mov $0x3fd,%dx; 2: in %dx,%al; test $0x20,%al; jz 2b; mov $0x3f8,%dx;
mov $'x',%al; out %al,%dx; jmp 1b."""

SIZE = 1 << 20


def echo_disk(text: str = "!ready> ") -> bytes:
    """A disk of 1 MiB that boots into the echo."""
    return boots(ECHO + text.encode() + b"\0")


def boots(code: bytes) -> bytes:
    """A disk of 1 MiB with `code` in its boot sector."""
    assert len(code) <= 510
    return (code.ljust(510, b"\0") + b"\x55\xaa").ljust(SIZE, b"\0")


class BytesImage(Image):
    """An image in memory; its empty blocks come as zeros without data."""

    def __init__(self, data: bytes, *, size_known: bool = True) -> None:
        self.data = data
        self.name = "test.img"
        self.size = len(data) if size_known else None

    async def extents(self) -> AsyncIterator[Extent]:
        for offset in range(0, len(self.data), 4096):
            block = self.data[offset : offset + 4096]
            yield Extent(offset, len(block), block if block.strip(b"\0") else None)


def machine(**config: Any) -> Qemu:
    """A small machine that is not open yet."""
    made = Qemu.make({"accel": "tcg", "mem": "32M", "smp": 1, "network": False, **config})
    assert isinstance(made, Qemu)
    return made


async def read_until(stream: ByteStream, text: bytes, within: float = 10.0) -> bytes:
    """All that comes up to and with `text`."""
    data = b""
    with anyio.fail_after(within):
        while text not in data:
            data += await stream.receive()
    return data


def picture(data: bytes) -> Picture.Image:
    """The picture in a file's content."""
    return Picture.open(BytesIO(data))
