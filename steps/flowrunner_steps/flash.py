"""Write an image to a target's storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import anyio.to_thread

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.image import OpenImage, open_image
from flowrunner.image.checksum import Checksum
from flowrunner.image.codec import Compression
from flowrunner.image.connected import connected
from flowrunner.image.fingerprint import Comparison, Fingerprint
from flowrunner.interfaces.storage import Flasher, Written
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs, Step

REPORT = 0.2
"""Seconds between two reports of progress."""

GATHER = 4 << 20


class FlashOutputs(Outputs):
    """What `flash` leaves for later steps."""

    image: str
    """Where the image came from."""

    digest: str | None
    """The digest of the image file as it is stored, such as `sha256:9f86...`. It is known when the whole file was read:
    always for a packed or remote image, otherwise with `checksum`; null for a plain local file without, whose holes are
    not read."""

    bytes: Size
    """The size of the image when unpacked."""

    written: Size
    """How much of it was data: neither zeros nor blocks that a block map leaves out."""

    seconds: Duration
    """How long it took, verifying included."""

    rate: float
    """Bytes of the image a second."""


class Flash(Step):
    """Write an image to the target's storage; behind a mux it is switched to the host before and to the target after.

    The image is a path, relative to the pipeline's folder, or a URL (http, https, s3, gcs, oci ...). It may be packed
    with gzip, xz, zstd or bzip2. Zeros are not written where the storage can be told so. A block map beside the image
    (`IMAGE.bmap`, made by `bmaptool create`) says which blocks matter at all, and its checksums are held against them.

    ```yaml
    steps:
      - flash: build/disk.img.xz
      - flash:
          image: https://images.example.com/disk.img.zst
          target: root
          checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          verify: true
    ```
    """

    shorthand = "image"
    kind = "setup"
    interfaces = (Flasher,)
    lasting = True
    outside = True
    pinned = ("image", "checksum")

    image: str
    """A path or a URL."""

    target: str | None = None
    """The part of the storage that is written; the storage's default when left out."""

    checksum: Checksum | None = None
    """The digest that the image file must have, as it is stored: `sha256:` and what `sha256sum FILE` prints."""

    compression: Compression = "auto"
    """How the image is packed; `auto` looks at its first bytes, `none` writes it as it is."""

    verify: bool = False
    """Whether to read the storage back and compare it with what was written."""

    bmap: str = "auto"
    """The block map: `auto` is one beside the image if there is one, `none` is none, otherwise a path or URL."""

    async def run(self, context: Context) -> FlashOutputs:
        flasher = context.use(Flasher)
        start = anyio.current_time()
        async with open_image(
            self.image, base=context.folder, compression=self.compression, checksum=self.checksum, bmap=self.bmap
        ) as image:
            image.fingerprint = Fingerprint() if self.verify else None
            async with connected(flasher):
                written = await self._flash(flasher, image, context)
                if image.fingerprint:
                    await self._compare(flasher, image.fingerprint, context)
        context.skip_output()  # a board that writes its storage itself has said much, and nothing that was asked for
        seconds = anyio.current_time() - start
        return FlashOutputs(
            image=image.name,
            digest=image.digest,
            bytes=Size(written.size),
            written=Size(written.written),
            seconds=Duration(seconds),
            rate=round(written.size / max(seconds, 1e-6)),
        )

    async def _flash(self, flasher: Flasher, image: OpenImage, context: Context) -> Written:
        """Flash while progress is reported."""
        outcome: Written | FlowrunnerError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, image, context)
            try:
                outcome = await flasher.flash(image, self.target)
            except FlowrunnerError as error:
                outcome = error  # raised below, where no task group wraps it
            tasks.cancel_scope.cancel()
        assert outcome
        if isinstance(outcome, FlowrunnerError):
            raise outcome
        context.progress(*image.progress)
        return outcome

    async def _compare(self, flasher: Flasher, wanted: Fingerprint, context: Context) -> None:
        """Read back what was written."""
        comparison = Comparison(wanted)
        waiting = bytearray()
        async with aclosing(cast("AsyncGenerator[bytes]", flasher.dump(self.target, wanted.end))) as pieces:
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= GATHER:
                    await anyio.to_thread.run_sync(comparison.add, bytes(waiting))
                    waiting.clear()
                    context.progress(comparison.end, wanted.end)
        await anyio.to_thread.run_sync(comparison.add, bytes(waiting))
        context.progress(comparison.end, wanted.end)
        if different := comparison.difference():
            start, end = different
            raise BenchError(
                f"the storage does not hold what was written: bytes {start} to {min(end, wanted.end)} differ",
                help="the medium may be worn out or smaller than it says",
            )


async def _report(image: OpenImage, context: Context) -> None:
    """Report progress whenever there is some."""
    last = -1
    while True:
        done, total = image.progress
        if done != last:
            context.progress(done, total)
            last = done
        await anyio.sleep(REPORT)
