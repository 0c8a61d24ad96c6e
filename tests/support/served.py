"""A bench served over the true wire, in this process: for tests of the client and of the exporter together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import grpc.aio

from flowrunner.bench.config import load_exporter
from flowrunner.device import Device
from flowrunner.remote.address import Address
from flowrunner.remote.client.own import OwnRemote
from flowrunner.remote.endpoint import Endpoint, Trust
from flowrunner.remote.exporter.own import OwnProtocol
from flowrunner.remote.exporter.station import Station


@dataclass
class Served:
    """An exporter of ours that serves our own protocol only."""

    station: Station
    endpoint: Endpoint

    def remote(self) -> OwnRemote:
        """A client of it; each is a client of its own."""
        device = _bare(self.station.open_device)
        nodes = list(self.station.nodes())
        homes = {node.path: node.part.home for node in nodes}
        return OwnRemote(self.endpoint, name=self.station.name, labels={}, motd="", device=device, homes=homes)


def _bare(device: Device) -> Device:
    children = {name: _bare(child) for name, child in device.children.items()}
    return Device(device.name, device.type, device.interfaces, None, children)


@asynccontextmanager
async def served(folder: Path, text: str, *, tcp: bool = False) -> AsyncIterator[Served]:
    """Serve what an exporter's `text` describes, on a unix socket or on a port of loopback."""
    path = folder / "exporter.yaml"
    path.write_text(dedent(text))
    station = Station(load_exporter(path), "bench")
    protocol = OwnProtocol(station)
    async with station.opened():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((protocol,))
        port = server.add_insecure_port("127.0.0.1:0" if tcp else f"unix://{folder}/s")
        await server.start()
        address = Address(host="127.0.0.1", port=port) if tcp else Address(path=folder / "s")
        try:
            async with protocol.running():
                yield Served(station, Endpoint(address=address, trust=Trust(insecure=True)))
        finally:
            await server.stop(0)
