"""A session with a VNC server: pictures in, keys and mouse out (RFC 6143, sections 7.3 to 7.7)."""

from __future__ import annotations

import struct
from io import BytesIO

import anyio.to_thread
from PIL import Image as Picture

from flowrunner.errors import BenchError
from flowrunner_drivers._rfb.login import log_in
from flowrunner_drivers._rfb.wire import Wire

RAW, COPY, RESIZE = 0, 1, -223
"""How rectangles come: as pixels, as a copy of others, and as the news that the size is another one."""

FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
"""Four bytes a pixel: blue, green, red, nothing."""

LARGEST = 16384
"""Pixels of a side that are believed."""


class Session:
    """One client of a VNC server, beside others."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._picture = Picture.new("RGB", (1, 1))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._picture.size

    async def begin(self, password: str | None) -> None:
        """Log in and agree on how pictures come.

        Raises:
            BenchError: the server refused us, or is none.
        """
        wire = self._wire
        await log_in(wire, password)
        await wire.send("B", 1)
        width, height = await wire.numbers("HH")
        await wire.exactly(16)
        await wire.text()
        self._resize(width, height)
        await wire.send("B3x16s", 0, FORMAT)
        await wire.send("BxH3i", 2, 3, RAW, COPY, RESIZE)

    async def picture(self) -> bytes:
        """All that is shown, as a PNG file."""
        size, seen = (0, 0), 0
        while self.size != size or seen < size[0] * size[1]:
            changed, size = self.size != size, self.size
            seen = 0 if changed else seen
            await self._ask(*size, all=changed)
            seen += await self._answer()
        return await anyio.to_thread.run_sync(self._png)

    async def key(self, symbol: int, *, down: bool) -> None:
        """Press or release a key."""
        await self._wire.send("BB2xI", 4, down, symbol)

    async def mouse(self, x: int, y: int, buttons: int = 0) -> None:
        """Put the mouse somewhere, with these buttons held (bit 0 is the left one).

        Raises:
            BenchError: that is not on the screen.
        """
        width, height = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise BenchError(f"{x},{y} is not on the screen, which has {width}x{height} pixels", blame="config")
        await self._wire.send("BBHH", 5, buttons, x, y)

    async def done(self) -> None:
        """Wait until the server has taken all that it was sent: it answers in order."""
        await self._ask(1, 1)
        await self._answer()

    async def _ask(self, width: int, height: int, *, all: bool = True) -> None:
        """Ask for an update: of all of a part of the screen, or of what has changed there."""
        await self._wire.send("BBHHHH", 3, not all, 0, 0, width, height)

    async def _answer(self) -> int:
        """Take messages up to the next update of the picture; how many pixels came with that."""
        while True:
            (kind,) = await self._wire.numbers("B")
            match kind:
                case 0:
                    _, count = await self._wire.numbers("BH")
                    return sum([await self._rectangle() for _ in range(count)])
                case 1:  # colours of a palette, which we have not asked for
                    _, _, count = await self._wire.numbers("BHH")
                    await self._wire.exactly(6 * count)
                case 2:  # a bell
                    pass
                case 3:  # a clipboard
                    await self._wire.exactly(3)
                    await self._wire.text()
                case _:
                    raise BenchError(f"the VNC server sent a message of the unknown kind {kind}", blame="infra")

    async def _rectangle(self) -> int:
        x, y, width, height, encoding = await self._wire.numbers("HHHHi")
        if encoding == RESIZE:
            self._resize(width, height)
            return 0
        if encoding == COPY:
            left, top = await self._wire.numbers("HH")
            self._picture.paste(self._picture.crop((left, top, left + width, top + height)), (x, y))
            return int(width * height)
        if encoding != RAW:
            raise BenchError(f"the VNC server sent pixels in the unknown form {encoding}", blame="infra")
        if width and height:
            data = await self._wire.exactly(width * height * 4)
            self._picture.paste(Picture.frombytes("RGB", (width, height), data, "raw", "BGRX"), (x, y))
        return int(width * height)

    def _resize(self, width: int, height: int) -> None:
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise BenchError(f"the VNC server has a screen of {width}x{height} pixels", blame="infra")
        self._picture = Picture.new("RGB", (width, height))

    def _png(self) -> bytes:
        out = BytesIO()
        self._picture.save(out, "PNG")
        return out.getvalue()
