"""The echo in memory."""

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.echo import EchoNetwork

pytestmark = pytest.mark.anyio


def network() -> Network:
    driver = EchoNetwork.make({})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


async def test_gives_back_all_and_then_ends() -> None:
    assert await network().request(b"hello") == b"hello"


async def test_who_sends_without_reading_has_to_wait() -> None:
    async with network().connect() as stream:
        with anyio.move_on_after(0.05) as limit:
            for _ in range(1000):
                await stream.send(b"x")
        assert limit.cancelled_caught
        assert await stream.receive() == b"x"


async def test_has_no_address() -> None:
    with pytest.raises(BenchError, match="an echo has no address"):
        await network().address()
