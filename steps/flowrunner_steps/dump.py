"""Read a target's storage back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import anyio.to_thread

from flowrunner.image.connected import connected
from flowrunner.image.pack import Sink, packing
from flowrunner.interfaces.storage import Flasher
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs, Step

GATHER = 4 << 20


class DumpOutputs(Outputs):
    """What `dump` leaves for later steps."""

    file: str
    """The artifact's name."""

    digest: str
    """The digest of the content, unpacked: `sha256:9f86...`."""

    bytes: Size
    """How much was read."""

    seconds: Duration
    """How long it took."""


class Dump(Step):
    """Read the target's storage into a file of the run; the suffix `.gz`, `.xz`, `.zst` or `.bz2` packs it.

    ```yaml
    steps:
      - dump: {to: disk.img.zst}
      - dump: {to: partition-table.img, target: root, length: 1MiB}
    ```
    """

    shorthand = "to"
    kind = "setup"
    interfaces = (Flasher,)
    lasting = True
    outside = True

    to: str
    """The name of the artifact."""

    target: str | None = None
    """The part of the storage that is read; the storage's default when left out."""

    length: Size | None = None
    """How much is read from its start; all of it when left out."""

    async def run(self, context: Context) -> DumpOutputs:
        flasher = context.use(Flasher)
        start = anyio.current_time()
        path = context.artifact(self.to)
        content = _Content()
        with packing(path) as sink:
            async with connected(flasher):
                await self._copy(flasher, content, sink, context)
        return DumpOutputs(
            file=path.name,
            digest=f"sha256:{content.hash.hexdigest()}",
            bytes=Size(content.size),
            seconds=Duration(anyio.current_time() - start),
        )

    async def _copy(self, flasher: Flasher, content: _Content, sink: Sink, context: Context) -> None:
        waiting = bytearray()
        length = None if self.length is None else int(self.length)
        async with aclosing(cast("AsyncGenerator[bytes]", flasher.dump(self.target, length))) as pieces:
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= GATHER:
                    await anyio.to_thread.run_sync(content.take, bytes(waiting), sink)
                    waiting.clear()
                    context.progress(content.size, self.length)
        await anyio.to_thread.run_sync(content.take, bytes(waiting), sink)
        context.progress(content.size, content.size)


class _Content:
    """What has gone by."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = hashlib.sha256()

    def take(self, data: bytes, sink: Sink) -> None:
        """Hash and write."""
        self.hash.update(data)
        sink.write(data)
        self.size += len(data)
