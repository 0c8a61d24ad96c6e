"""A screen as their clients find it: a network that leads to a VNC server, which is what their noVNC takes."""

from __future__ import annotations

from flowrunner.interface import Interface
from flowrunner.interfaces.screen import Screen
from flowrunner.remote.jumpstarter.facade import Resources
from flowrunner.remote.jumpstarter.generic import GenericFacade


class ScreenFacade(GenericFacade):
    """What `NetworkClient` calls, and our own methods by their names. A picture comes as `UStreamerClient` has it."""

    client_class = "jumpstarter_driver_network.client.NetworkClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources, Screen)
        del self.unary["snapshot"]
        self.serve(self.address)

    async def address(self) -> str:
        """Nowhere.

        Raises:
            ValueError: their client takes this for an address that is not to be told.
        """
        raise ValueError("a screen has no address: connect through the exporter")
