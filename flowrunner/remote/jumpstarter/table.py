"""Which client of Jumpstarter stands for which of our interfaces."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.interface import Interface

COMPOSITE = "jumpstarter_driver_composite.client.CompositeClient"


def client_class(interfaces: Sequence[type[Interface]]) -> str:
    """The class path of Jumpstarter's client for a part that offers `interfaces`."""
    return next((interface.jumpstarter for interface in interfaces if interface.jumpstarter), COMPOSITE)
