"""Carrying images to a flasher: opened, flashed while progress is told, and compared with what can be read back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import TypeVar, cast

import anyio
import anyio.to_thread

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner.image import OpenImage, open_image
from flowrunner.image.checksum import Checksum
from flowrunner.image.codec import Compression
from flowrunner.image.connected import connected
from flowrunner.image.fingerprint import Comparison, Fingerprint
from flowrunner.interfaces.storage import BoardFlasher, Flasher, Written
from flowrunner.model import Model, SecretText
from flowrunner.step import Context

T = TypeVar("T")

REPORT = 0.2
"""Seconds between two reports of progress."""

GATHER = 4 << 20


class StoredImage(Model):
    """An image and what is known of it."""

    image: str
    """A path or a URL."""

    checksum: Checksum | None = None
    """The digest that the image file must have, as it is stored: `sha256:` and what `sha256sum FILE` prints."""

    compression: Compression = "auto"
    """How the image is packed; `auto` looks at its first bytes, `none` writes it as it is."""

    bmap: str = "auto"
    """The block map: `auto` is one beside the image if there is one, `none` is none, otherwise a path or URL."""

    token: SecretText | None = None
    """The token of a web server that wants one: what stands behind `Authorization: Bearer`. No other server sees it."""


def stored(image: str | StoredImage) -> StoredImage:
    """What is known of an image that may be no more than its path or URL."""
    return StoredImage(image=image) if isinstance(image, str) else image


class Flashing:
    """Images that go to `flasher`, by target; with `verify` they are read back."""

    def __init__(self, flasher: Flasher, context: Context, *, verify: bool) -> None:
        self._flasher = flasher
        self._context = context
        self._verify = verify
        self.opened: list[OpenImage] = []

    async def one(self, wanted: StoredImage, target: str | None) -> Written:
        """Flash one image."""
        async with AsyncExitStack() as stack:
            image = await self._open(wanted, stack)
            async with connected(self._flasher):
                written = await self._told(lambda: self._flasher.flash(image, target), [image])
                await self._compare(image, target)
        return written

    async def several(self, images: Mapping[str, StoredImage]) -> list[Written]:
        """Flash several: at once where the flasher can, else one after the other."""
        flasher = self._flasher
        if not isinstance(flasher, BoardFlasher):
            return [await self.one(wanted, target) for target, wanted in images.items()]
        async with AsyncExitStack() as stack:
            found = {target: await self._open(wanted, stack) for target, wanted in images.items()}
            written = await self._told(lambda: flasher.flash_all(found), list(found.values()))
            for target, image in found.items():
                await self._compare(image, target)
        return list(written.values())

    async def _open(self, wanted: StoredImage, stack: AsyncExitStack) -> OpenImage:
        how = {name: getattr(wanted, name) for name in ("compression", "checksum", "bmap", "token")}
        image = await stack.enter_async_context(open_image(wanted.image, base=self._context.folder, **how))
        image.fingerprint = Fingerprint() if self._verify else None
        self.opened.append(image)
        return image

    async def _told(self, work: Callable[[], Awaitable[T]], images: list[OpenImage]) -> T:
        """Do it while progress is reported."""
        async with beside(lambda: self._report(images)):
            outcome = await work()
        self._context.progress(*_progress(images))
        return outcome

    async def _report(self, images: list[OpenImage]) -> None:
        """Report progress whenever there is some."""
        last = -1
        while True:
            done, total = _progress(images)
            if done != last:
                self._context.progress(done, total)
                last = done
            await anyio.sleep(REPORT)

    async def _compare(self, image: OpenImage, target: str | None) -> None:
        """Read back what was written, if that is wanted."""
        wanted = image.fingerprint
        if wanted is None:
            return
        comparison, waiting = Comparison(wanted), bytearray()
        async with aclosing(cast("AsyncGenerator[bytes]", self._flasher.dump(target, wanted.end))) as pieces:
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= GATHER:
                    await anyio.to_thread.run_sync(comparison.add, bytes(waiting))
                    waiting.clear()
                    self._context.progress(comparison.end, wanted.end)
        await anyio.to_thread.run_sync(comparison.add, bytes(waiting))
        self._context.progress(comparison.end, wanted.end)
        if different := comparison.difference():
            start, end = different
            raise BenchError(
                f"the storage does not hold what was written: bytes {start} to {min(end, wanted.end)} differ",
                help="the medium may be worn out or smaller than it says",
            )


def _progress(images: list[OpenImage]) -> tuple[int, int | None]:
    """How much of the stored images was read, and how much there is."""
    found = [image.progress for image in images]
    totals = [total for _, total in found if total is not None]
    return sum(done for done, _ in found), sum(totals) if len(totals) == len(found) else None
