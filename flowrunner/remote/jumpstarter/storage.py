"""Storage, both ways: flashers, muxes, and flashers behind a mux."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.storage import Flasher, Image, StorageMux, StorageMuxFlasher, Written
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Handle, HandleImage, Resources, written

ZEROS = bytes(1 << 18)


class FlasherFacade(Facade):
    """What `FlasherClient` calls."""

    client_class = "jumpstarter_driver_opendal.client.FlasherClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.flash, self.dump)

    async def flash(self, source: Handle, partition: str | None = None) -> None:
        await self.part.flash(HandleImage(self.resources, source), partition)

    async def dump(self, target: Handle, partition: str | None = None) -> None:
        await written(self.resources, target, self.part.dump(partition))


class MuxFacade(Facade):
    """What `StorageMuxClient` calls."""

    client_class = "jumpstarter_driver_opendal.client.StorageMuxClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.host, self.dut, self.off)

    async def host(self) -> None:
        await self.part.host()

    async def dut(self) -> None:
        await self.part.dut()

    async def off(self) -> None:
        await self.part.off()


class MuxFlasherFacade(MuxFacade):
    """What `StorageMuxFlasherClient` calls. Ours goes back to the target after each write, whoever asks for it."""

    client_class = "jumpstarter_driver_opendal.client.StorageMuxFlasherClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.write, self.read)

    async def write(self, src: Handle) -> None:
        await self.part.flash(HandleImage(self.resources, src))

    async def read(self, dst: Handle) -> None:
        await written(self.resources, dst, self.part.dump())


class ForeignFlasher(Flasher):
    """A flasher on an exporter of Jumpstarter: it takes content from start to end, with no gaps."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def flash(self, image: Image, target: str | None = None) -> Written:
        return await sent(self._peer, image, "flash", target)

    def dump(self, target: str | None = None, length: int | None = None) -> AsyncGenerator[bytes, None]:
        return taken(self._peer, length, "dump", target)


class ForeignMux(StorageMux):
    """A mux on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def host(self) -> None:
        await self._peer.call("host")

    async def dut(self) -> None:
        await self._peer.call("dut")

    async def off(self) -> None:
        await self._peer.call("off")


class ForeignMuxFlasher(ForeignMux, StorageMuxFlasher):
    """A medium behind a mux on an exporter of Jumpstarter, which has no partitions there."""

    async def flash(self, image: Image, target: str | None = None) -> Written:
        async with self._at_host(target):
            return await sent(self._peer, image, "write")

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async with self._at_host(target):
            async for chunk in taken(self._peer, length, "read"):
                yield chunk

    @asynccontextmanager
    async def _at_host(self, target: str | None) -> AsyncIterator[None]:
        if target is not None:
            what = f"a medium behind a mux of Jumpstarter has no target '{target}'"
            raise BenchError(what, blame="config", help="leave the target out: it is written whole")
        try:
            await self.host()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.dut()


async def sent(peer: Peer, image: Image, method: str, *args: object) -> Written:
    """Call `method` with the content of `image` as a plain stream."""
    count = _Count()
    async with peer.sending(count.plain(image)) as handle:
        await peer.call(method, handle, *args)
    return Written(written=count.sent, size=count.sent)


async def taken(peer: Peer, length: int | None, method: str, *args: object) -> AsyncGenerator[bytes, None]:
    """What `method` writes: `length` bytes, then it is left alone, or all."""
    left = length
    async with peer.receiving() as (handle, chunks):
        work = asyncio.create_task(peer.call(method, handle, *args))
        try:
            async for chunk in chunks:
                piece = chunk if left is None else chunk[:left]
                if piece:
                    yield piece
                left = None if left is None else left - len(piece)
                if left == 0:
                    return
            await work
        finally:
            work.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait((work,))


class _Count:
    """Counts what goes by."""

    def __init__(self) -> None:
        self.sent = 0

    async def plain(self, image: Image) -> AsyncIterator[bytes]:
        """The content of `image` from its start to its end; what does not matter in it is zeros."""
        async for extent in image.extents():
            for chunk in self._zeros(extent.offset):
                yield chunk
            if extent.data is not None:
                self.sent += extent.length
                yield bytes(extent.data)
            for chunk in self._zeros(extent.offset + extent.length):
                yield chunk
        for chunk in self._zeros(image.size or 0):
            yield chunk

    def _zeros(self, until: int) -> Iterator[bytes]:
        """Zeros up to an offset."""
        while self.sent < until:
            piece = ZEROS[: until - self.sent]
            self.sent += len(piece)
            yield piece
