"""vsock: against the real thing where this machine has a loopback for it."""

import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.vsock import VsockNetwork
from tests.support.far_ends import has_vsock, vsock_echo

pytestmark = pytest.mark.anyio


def network(cid: int, port: int) -> Network:
    driver = VsockNetwork.make({"cid": cid, "port": port, "timeout": 0.3})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


@pytest.mark.skipif(not has_vsock(), reason="no vsock loopback: modprobe vsock_loopback")
async def test_talks_to_a_port_of_this_machine() -> None:
    async with vsock_echo() as where:
        assert await network(**where).request(b"x" * 300_000) == b"x" * 300_000


async def test_a_machine_that_is_not_there_is_named() -> None:
    assert await network(4_000_000, 22).address() == "vsock://4000000:22"
    with pytest.raises(BenchError, match=r"'vsock://4000000:22' (cannot be reached|did not answer)") as error:
        await network(4_000_000, 22).check()
    assert error.value.blame == "infra"
