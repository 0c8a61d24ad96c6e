"""U-Boot, both ways: its prompt. Their client does the rest over the parts `power` and `serial`."""

from __future__ import annotations

from flowrunner.interface import Interface
from flowrunner.interfaces.uboot import Uboot
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources


class UbootFacade(Facade):
    """What `UbootConsoleClient` calls."""

    client_class = "jumpstarter_driver_uboot.client.UbootConsoleClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.get_prompt)

    async def get_prompt(self) -> str:
        return str(await self.part.prompt())


class ForeignUboot(Uboot):
    """U-Boot on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def prompt(self) -> str:
        return str(await self._peer.call("get_prompt"))
