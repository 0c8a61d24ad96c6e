"""Which interface is which class of Jumpstarter's, and what a part without such a class offers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import pytest

from flowrunner.device import Device
from flowrunner.interface import ByteStream, Direct, Interface, call, client, offered, stream
from flowrunner.interfaces.network import DbusNetwork, Network
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.screen import Screen
from flowrunner.interfaces.storage import Image
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.exporter.station import Node
from flowrunner.remote.jumpstarter.facade import Facade, Put
from flowrunner.remote.jumpstarter.table import COMPOSITE, FACADES, FOREIGN, client_class, facade, known
from tests.flowrunner.remote.jumpstarter.conftest import Join

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("interface", FACADES)
def test_each_contract_is_that_of_the_interface_and_goes_both_ways(interface: type[Interface]) -> None:
    label = FACADES[interface].client_class
    assert label == interface.jumpstarter == client_class((interface,))
    found = known(label)
    assert found
    wanted = Network if interface is Screen else interface  # theirs is only the way to a VNC server
    assert wanted in found.interfaces


@pytest.mark.parametrize("label", FOREIGN)
def test_a_foreign_part_can_be_made_of_a_peer(label: str) -> None:
    found = known(label)
    assert found
    assert isinstance(found.driver(cast("Peer", None), {}), found.interfaces)


def test_a_class_that_is_not_known_is_nothing() -> None:
    assert known("acme.relays.RelayClient") is None
    assert known("os.system") is None
    assert client_class(()) == COMPOSITE


class Lamps(Interface):
    """Something that Jumpstarter has no class for."""

    name = "lamps"

    @call
    @abstractmethod
    async def light(self, colour: str, brightness: int = 10) -> str: ...

    @call
    @abstractmethod
    def blink(self, times: int) -> AsyncIterator[int]: ...

    @call
    @abstractmethod
    async def show(self, picture: Image) -> int: ...

    @call
    @abstractmethod
    async def show_all(self, pictures: Mapping[str, Image]) -> list[str]: ...

    @stream
    @abstractmethod
    def wire(self) -> AbstractAsyncContextManager[ByteStream]: ...

    @stream
    @abstractmethod
    def wire_of(self, colour: str) -> AbstractAsyncContextManager[ByteStream]: ...


class Panel(Lamps, Power):
    """A driver of both."""

    def __init__(self) -> None:
        self.is_on = False

    async def light(self, colour: str, brightness: int = 10) -> str:
        return f"{colour} {brightness!r}"

    async def blink(self, times: int) -> AsyncIterator[int]:
        for n in range(times):
            yield n

    async def show(self, picture: Image) -> int:
        return sum([extent.length async for extent in picture.extents()])

    async def show_all(self, pictures: Mapping[str, Image]) -> list[str]:
        return [f"{name} {await self.show(picture)}" for name, picture in pictures.items()]

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[ByteStream]:
        yield cast("ByteStream", "the wire")

    @asynccontextmanager
    async def wire_of(self, colour: str) -> AsyncIterator[ByteStream]:
        yield cast("ByteStream", colour)

    async def on(self) -> None:
        self.is_on = True

    async def off(self) -> None:
        self.is_on = False

    async def read(self) -> AsyncIterator[PowerReading]:
        while True:
            yield PowerReading(voltage=1, current=2)


class Given:
    """Resources with one content behind all handles."""

    async def read(self, handle: Mapping[str, Any]) -> AsyncIterator[bytes]:
        yield b"12345"
        yield b"678"

    @asynccontextmanager
    async def write(self, handle: Mapping[str, Any]) -> AsyncIterator[Put]:
        raise AssertionError
        yield


def offering(driver: Interface) -> Facade:
    """What clients of Jumpstarter find on a driver."""
    interfaces = offered(type(driver))
    device = Device("panel", "acme/panel", interfaces, client(interfaces, Direct(driver)))
    return facade(cast("Node", type("Found", (), {"device": device})), Given())


async def test_calls_without_a_contract_go_by_their_own_names() -> None:
    panel = Panel()
    found = offering(panel)
    assert found.client_class == FACADES[Power].client_class
    assert set(found.unary) == {"on", "off", "light", "show", "show_all"}
    assert set(found.iterators) == {"read", "blink"}
    assert set(found.streams) == {"wire"}
    assert await found.unary["light"]("red") == "red 10"
    assert await found.unary["light"]("red", 5.0) == "red 5"
    assert [n async for n in found.iterators["blink"](3.0)] == [0, 1, 2]
    assert await found.unary["show"]({"kind": "client_stream", "uuid": "1"}) == 8
    handles = {name: {"kind": "client_stream", "uuid": name} for name in ("left", "right")}
    assert await found.unary["show_all"](handles) == ["left 8", "right 8"]
    async with found.streams["wire"]() as wire:
        assert wire == "the wire"
    for wrong in ((), ("red", 1, 2), ("red", "bright"), (3,)):
        with pytest.raises(ValueError, match=r"^'light' (takes other|cannot be called with these) arguments: [^\n]+$"):
            await found.unary["light"](*wrong)
    with pytest.raises(ValueError, match="given as a handle"):
        await found.unary["show"]("image.bin")
    with pytest.raises(ValueError, match="given as a handle"):
        await found.unary["show_all"](["image.bin"])


async def test_a_contract_has_the_first_word() -> None:
    panel = Panel()
    found = offering(panel)
    await found.unary["on"]()
    assert panel.is_on
    assert [reading async for reading in found.iterators["read"]()] == [{"voltage": 1.0, "current": 2.0}]


async def test_a_bus_tells_which_it_is_by_a_label(join: Join) -> None:
    async with join("export: {bus: {type: network.dbus, config: {kind: session}}}") as both:
        assert await both.part("bus", DbusNetwork).kind() == "session"
