"""The facades of a station's parts by uuid, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable

from flowrunner.device import Device
from flowrunner.remote.exporter.resources import Resources
from flowrunner.remote.exporter.station import Node, Station
from flowrunner.remote.jumpstarter.facade import Facade
from flowrunner.remote.jumpstarter.table import facade


class Facades:
    """What clients of Jumpstarter find at each part; afresh when the bench was opened afresh."""

    def __init__(self, station: Station, device: Callable[[], Device] | None = None) -> None:
        """`device` is whose clients are called: the station's open device unless it is another."""
        self._station = station
        self._current = device or (lambda: station.open_device)
        self._resources: dict[str, Resources] = {}
        self._device: Device | None = None
        self._nodes: dict[str, Node] = {}
        self._made: dict[str, Facade] = {}

    @property
    def device(self) -> Device:
        """Whose clients are called now."""
        return self._current()

    def resources(self, uuid: str) -> Resources:
        """The resources that clients have opened for a part."""
        return self._resources.setdefault(uuid, Resources())

    def node(self, uuid: str) -> Node:
        """The part of that uuid.

        Raises:
            KeyError: there is none.
        """
        device = self._current()
        if device is not self._device:
            self._device = device
            self._nodes = {node.uuid: node for node in self._station.nodes(device)}
            self._made = {}
        return self._nodes[uuid.lower()]

    def facade(self, uuid: str) -> Facade:
        """The facade of the part of that uuid.

        Raises:
            KeyError: there is none.
        """
        node = self.node(uuid)
        if node.uuid not in self._made:
            self._made[node.uuid] = facade(node, self.resources(node.uuid))
        return self._made[node.uuid]
