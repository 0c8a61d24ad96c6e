"""Which client of Jumpstarter stands for which of our interfaces, and what it finds at a part."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.interface import Interface
from flowrunner.interfaces.power import Power
from flowrunner.remote.exporter.station import Node
from flowrunner.remote.jumpstarter.facade import Facade, Resources
from flowrunner.remote.jumpstarter.power import PowerFacade

COMPOSITE = "jumpstarter_driver_composite.client.CompositeClient"


def client_class(interfaces: Sequence[type[Interface]]) -> str:
    """The class path of Jumpstarter's client for a part that offers `interfaces`."""
    return next((interface.jumpstarter for interface in interfaces if interface.jumpstarter), COMPOSITE)


def facade(node: Node, resources: Resources) -> Facade:
    """What a client of Jumpstarter finds at a part."""
    assert node.device.client is not None
    return (
        PowerFacade(node.device.client, resources)
        if node.device.offers(Power)
        else Facade(node.device.client, resources)
    )
