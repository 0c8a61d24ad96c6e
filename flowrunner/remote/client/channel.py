"""A gRPC channel to an exporter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from flowrunner.remote.endpoint import Endpoint


@asynccontextmanager
async def opened_channel(endpoint: Endpoint) -> AsyncIterator[grpc.aio.Channel]:
    """A channel with a connection of its own; nothing is retried on it."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(endpoint.address.target, options=options) as channel:
        yield channel
