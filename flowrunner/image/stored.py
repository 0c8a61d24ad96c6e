"""The digest of an image as it is stored."""

from __future__ import annotations

from pathlib import Path

from flowrunner.image.opened import open_image


async def stored_digest(name: str, base: Path) -> str:
    """The digest of an image; it is read whole unless its server tells it, as registries do.

    Raises:
        BenchError: it is not there, or cannot be read.
    """
    async with open_image(name, base=base, compression="none", bmap="none") as image:
        if image.checksum:
            return image.checksum
        async for _ in image.extents():
            pass
        assert image.digest
        return image.digest
