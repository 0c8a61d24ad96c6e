"""Our client for exporters of Jumpstarter, on what our exporter offers to clients of Jumpstarter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TypeVar, cast

import grpc.aio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.interface import Interface
from flowrunner.remote.address import Address
from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.client.foreign import ForeignRemote
from flowrunner.remote.client.peer import ChannelPeer
from flowrunner.remote.client.remote import Claim, RemoteLease
from flowrunner.remote.endpoint import Endpoint, Listen
from flowrunner.remote.exporter.server import serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.wire import Empty, services

I = TypeVar("I", bound=Interface)  # noqa: E741


@dataclass(frozen=True)
class Joined:
    """Both ends. `lease` is what a job has."""

    lease: RemoteLease
    channel: grpc.aio.Channel
    uuids: Mapping[str, str]

    def part(self, path: str, interface: type[I]) -> I:
        """The client at a path, which offers an interface."""
        node = self.lease.device.at(path)
        assert node.offers(interface)
        return cast("I", node.client)

    def peer(self, path: str) -> ChannelPeer:
        """The part as a client of Jumpstarter has it: methods by name."""
        return ChannelPeer(self.channel, self.uuids[path], "it")


Join = Callable[[str], AbstractAsyncContextManager[Joined]]


@pytest.fixture
def join(tmp_path: Path) -> Join:
    """A lease on an exporter of ours, whose file is given, as if it were one of Jumpstarter."""

    @asynccontextmanager
    async def join(text: str) -> AsyncIterator[Joined]:
        file, address = tmp_path / "exporter.yaml", Address(path=tmp_path / "s")
        file.write_text(dedent(text))
        station = Station(load_exporter(file), "bench")
        endpoint = Endpoint(address=address)
        async with station.opened(), serving(station, [Listen(address=address)]), opened_channel(endpoint) as channel:
            report = await services.ExporterServiceStub(channel).GetReport(Empty())
            remote = ForeignRemote(endpoint, channel, report)
            uuids = {node.path: node.uuid for node in station.nodes()}
            async with remote.leased(Claim(role="dut", owner="tester"), lambda *_: None) as lease:
                yield Joined(lease, channel, uuids)

    return join
