"""A message bus beside the device, for programs that find theirs by the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowrunner.interfaces.network import DbusNetwork
from flowrunner.net.forward import forward_unix


@asynccontextmanager
async def dbus_on(bus: DbusNetwork) -> AsyncIterator[str]:
    """Make a bus that of this process and of those that it starts; gives its address.

    It is in `DBUS_SYSTEM_BUS_ADDRESS` or `DBUS_SESSION_BUS_ADDRESS` until the block ends: the environment is that of
    the whole process, so no two such blocks can run beside each other.

    Raises:
        BenchError: no socket could be opened on this machine.
    """
    variable = f"DBUS_{(await bus.kind()).upper()}_BUS_ADDRESS"
    async with forward_unix(bus.connect) as forward:
        before = os.environ.get(variable)
        os.environ[variable] = address = f"unix:path={forward.path}"
        try:
            yield address
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before
