"""A client that begins to flash and never ends: `python -m tests.faults.killed_flash SOCKET PART`, to be killed."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import anyio

from flowrunner.image.connected import connected as at_host
from flowrunner.interfaces.storage import Extent, Flasher, Image
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Trust

MIB = 1 << 20


class Endless(Image):
    """An image that stops coming."""

    name = "endless.img"
    size = 32 * MIB

    async def extents(self) -> AsyncIterator[Extent]:
        for at in range(0, self.size // 2, MIB):
            yield Extent(at, MIB, os.urandom(MIB))
        await anyio.sleep_forever()


async def main(socket: str, part: str) -> None:
    """Lease the exporter and flash."""
    endpoint = Endpoint(address=Address(path=Path(socket)), trust=Trust(insecure=True))
    claim = Claim(role="dut", owner="a client that is killed")
    async with connected(endpoint) as remote, remote.leased(claim, lambda *_: None) as lease:
        flasher = cast("Flasher", lease.device.at(part).client)
        async with at_host(flasher):
            await flasher.flash(Endless())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
