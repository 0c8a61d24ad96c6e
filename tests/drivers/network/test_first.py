from typing import Any

import pytest

from flowrunner.driver import Driver
from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.echo import EchoNetwork
from flowrunner_drivers.network.first import FirstNetwork
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.power.virtual import VirtualPower
from tests.support.far_ends import tcp_echo

pytestmark = pytest.mark.anyio


def first(config: dict[str, object] | None = None, **ways: Driver[Any]) -> Network:
    driver = FirstNetwork.make(config or {}, ways)
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


def tcp(host: str = "127.0.0.1", port: int = 9) -> Driver[Any]:
    return TcpNetwork.make({"host": host, "port": port})


async def test_takes_the_first_way_on_which_somebody_answers() -> None:
    async with tcp_echo() as where:
        network = first(a=tcp(), b=tcp(**where), c=tcp())
        assert await network.request(b"hello") == b"hello"
        assert await network.address() == f"tcp://127.0.0.1:{where['port']}"
        async with tcp_echo() as other:
            network = first({"prefer": ["b", "a"]}, a=tcp(**where), b=tcp(**other))
            assert await network.address() == f"tcp://127.0.0.1:{other['port']}"
        assert await network.address() == f"tcp://127.0.0.1:{where['port']}"


async def test_says_of_each_way_why_it_leads_nowhere() -> None:
    with pytest.raises(BenchError, match=r"no way leads there: a: '127.0.0.1:9' .* refused; b: .* not found") as error:
        await first(a=tcp(), b=tcp("nowhere.invalid")).check()
    assert error.value.blame == "infra"


async def test_an_error_of_the_user_is_no_reason_for_another_way() -> None:
    with pytest.raises(BenchError, match="mine"):
        async with first(a=EchoNetwork.make({}), b=EchoNetwork.make({})).connect():
            raise BenchError("mine")


def test_only_networks_can_be_ways() -> None:
    for config, children, says in (
        ({}, {}, "there is no way to choose from"),
        ({"prefer": ["b"]}, {"a": tcp()}, "there is no way 'b'"),
        ({}, {"power": VirtualPower.make({})}, "'power' is no network"),
    ):
        with pytest.raises(BenchError, match=says):
            FirstNetwork.make(config, children)
