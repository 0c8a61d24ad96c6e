"""A network part for fabric."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import fabric

from flowrunner.interfaces.network import Network
from flowrunner.net.forward import forward_tcp


@asynccontextmanager
async def fabric_over(network: Network, **options: Any) -> AsyncIterator[Any]:
    """Give a `fabric.Connection` through a network part; `options` are for it, such as `user` and `connect_kwargs`.

    Its methods block: call them in a thread. It connects with the first of them.

    Raises:
        BenchError: no port could be opened on this machine.
    """
    async with forward_tcp(network.connect) as forward:
        connection = fabric.Connection(forward.host, port=forward.port, **options)
        try:
            yield connection
        finally:
            await anyio.to_thread.run_sync(connection.close)
