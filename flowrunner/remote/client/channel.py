"""A gRPC channel to an exporter: its transport, its trust, the passphrase on every rpc."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.remote.client.certificate import pinned, roots
from flowrunner.remote.client.diagnosis import diagnosed
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.wire import PASSPHRASE

OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.enable_retries", 0),  # no call is done twice
    ("grpc.enable_http_proxy", 0),  # exporters are reached directly
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 180_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)
"""What Jumpstarter's client asks of a TCP connection: one that carries nothing for less than three minutes stays. The
servers of unix sockets refuse such pings, and need none."""


@asynccontextmanager
async def opened_channel(endpoint: Endpoint) -> AsyncIterator[grpc.aio.Channel]:
    """A channel with a connection of its own; nothing is retried on it. It connects when it is used first.

    Raises:
        BenchError: the certificate is pinned, and the server has another one or none.
    """
    async with await _channel(endpoint) as channel:
        yield Introduced(channel, endpoint.passphrase) if endpoint.passphrase else channel


async def _channel(endpoint: Endpoint) -> grpc.aio.Channel:
    target, trust = endpoint.address.target, endpoint.trust
    if endpoint.address.path:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    options: list[tuple[str, Any]] = [*OPTIONS, *KEEPALIVE]
    if trust.insecure:
        return grpc.aio.insecure_channel(target, options=options)
    certificates, name = trust.ca or roots(), trust.server_name
    if trust.pin:
        certificates, name = await _pinned(endpoint, trust.pin)
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    try:
        credentials = grpc.ssl_channel_credentials(root_certificates=certificates)
    except ValueError as error:
        raise BenchError(f"the certificate authority for {endpoint} is no PEM file", blame="config") from error
    return grpc.aio.secure_channel(target, credentials, options=options)


async def _pinned(endpoint: Endpoint, pin: str) -> tuple[bytes, str]:
    try:
        return await pinned(endpoint, pin)
    except OSError as error:
        raise await diagnosed(endpoint) from error


class Introduced(grpc.aio.Channel):  # type: ignore[misc] # grpc has no types
    """A channel with the passphrase in the metadata of each rpc.

    An interceptor would do the same, but one around a stream waits with the first message, and copies all of them.
    """

    def __init__(self, inner: grpc.aio.Channel, passphrase: str) -> None:
        self._inner = inner
        self._metadata = ((PASSPHRASE, passphrase),)

    async def __aenter__(self) -> Introduced:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._introduced(self._inner.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._introduced(self._inner.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._introduced(self._inner.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._introduced(self._inner.stream_stream(*args, **kwargs))

    def _introduced(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        def introduced(*args: Any, metadata: Sequence[tuple[str, str]] | None = None, **kwargs: Any) -> Any:
            return begin(*args, metadata=(*(metadata or ()), *self._metadata), **kwargs)

        return introduced
