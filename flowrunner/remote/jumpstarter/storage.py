"""Storage, both ways: flashers, muxes, and flashers behind a mux."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.storage import Flasher, Image, StorageMux, StorageMuxFlasher, Written
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.content import sent, taken
from flowrunner.remote.jumpstarter.facade import Facade, Handle, HandleImage, Resources, written


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
    """What `StorageMuxFlasherClient` calls: it switches the mux itself, before and after."""

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
        return taken(self._peer, length, lambda handle: ("dump", handle, target))


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
    """A medium behind a mux on an exporter of Jumpstarter, which knows no partitions. Who uses it switches the mux."""

    async def flash(self, image: Image, target: str | None = None) -> Written:
        _whole(target)
        return await sent(self._peer, image, "write")

    def dump(self, target: str | None = None, length: int | None = None) -> AsyncGenerator[bytes, None]:
        _whole(target)
        return taken(self._peer, length, lambda handle: ("read", handle))


def _whole(target: str | None) -> None:
    if target is not None:
        what = f"a medium behind a mux of Jumpstarter has no target '{target}'"
        raise BenchError(what, blame="config", help="leave the target out: it is written whole")
