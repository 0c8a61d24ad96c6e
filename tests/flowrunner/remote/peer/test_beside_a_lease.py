"""Jumpstarter's command line on our exporter while a job of ours has it."""

from __future__ import annotations

import pytest
from anyio import to_thread

from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint
from tests.flowrunner.remote.peer.conftest import Ours, nobody
from tests.support.peers import j

pytestmark = [pytest.mark.anyio, pytest.mark.peer]


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_who_has_it_alone_is_named_and_a_shared_lease_lets_them_in(ours: Ours, shared: bool) -> None:
    (ours.folder / "lamp").unlink(missing_ok=True)
    endpoint = Endpoint(address=Address.parse(ours.exporter.unix))
    claim = Claim(role="dut", owner="the night shift", shared=shared)
    async with connected(endpoint) as remote, remote.leased(claim, nobody):
        assert remote.ours
        done = await to_thread.run_sync(j, ours.exporter.unix, "power", "on")
        assert ours.lamp is shared
    assert (done.returncode == 0) is shared
    assert shared or b"in use by the night shift" in done.stderr
