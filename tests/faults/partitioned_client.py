"""A client that never gives up by itself: it takes an exporter, and turns it on when it is told to on standard input."""

from __future__ import annotations

import sys
from functools import partial
from typing import cast

import anyio
import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power
from flowrunner.remote.address import Address
from flowrunner.remote.client import own
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.client.session import Session
from flowrunner.remote.endpoint import Endpoint, Trust


class Patient(Session):
    """A session that waits for an hour: the exporter alone is to decide."""

    def __init__(self, endpoint: Endpoint, *, grace: float, **more: object) -> None:
        super().__init__(endpoint, grace=3600, **more)  # type: ignore[arg-type]
        self._beat = grace / 5


async def main(address: str, grace: float) -> None:
    setattr(own, "Session", Patient)  # noqa: B010 - it is not for others
    endpoint = Endpoint(address=Address.parse(address), trust=Trust(insecure=True))
    claim = Claim(role="dut", owner="the partitioned one", grace=grace, safe_state=[("power", "off")])
    async with connected(endpoint) as remote, remote.leased(claim, lambda *_: None) as lease:
        power = cast("Power", lease.device.at("power").client)
        await power.on()
        print("on", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        try:
            await power.on()
            print("on again", flush=True)
        except BenchError as error:
            print(f"{error.blame}: {error.what}", flush=True)


if __name__ == "__main__":
    anyio.run(partial(main, sys.argv[1], float(sys.argv[2])))
