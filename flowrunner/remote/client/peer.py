"""One driver of a Jumpstarter exporter: its calls, its iterators, its byte streams, its resources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.remote.client import streams
from flowrunner.remote.client.status import failure, lost
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import Value, messages, services

T = TypeVar("T")
Handle = dict[str, Any]


class Peer(Protocol):
    """What our interfaces are made of over a driver of Jumpstarter: arguments go by position, answers are plain data.

    All of them raise what `status.failure` says.
    """

    async def call(self, method: str, *args: Any) -> Any:
        """Call a method that answers once."""
        ...

    def iterate(self, method: str, *args: Any) -> AsyncGenerator[Any, None]:
        """Call a method that answers many times."""
        ...

    def stream(self, method: str = "connect", *, datagrams: bool = False) -> AbstractAsyncContextManager[ByteStream]:
        """Open a byte stream; with `datagrams` what is sent keeps its borders."""
        ...

    def sending(
        self, chunks: AsyncIterator[bytes], *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[Handle]:
        """Offer `chunks` to one call, which gets the handle as an argument."""
        ...

    def receiving(self) -> AbstractAsyncContextManager[tuple[Handle, AsyncIterator[bytes]]]:
        """Take what one call writes to the handle; the chunks come while it works."""
        ...


class ChannelPeer:
    """The driver `uuid` behind a channel. `name` is the exporter's, for errors."""

    def __init__(self, channel: grpc.aio.Channel, uuid: str, name: str) -> None:
        self._channel = channel
        self._uuid = uuid
        self._name = name
        self._stub = services.ExporterServiceStub(channel)

    async def call(self, method: str, *args: Any) -> Any:
        request = messages.DriverCallRequest(uuid=self._uuid, method=method, args=_values(method, args))
        answer = await self._answered(self._stub.DriverCall(request))
        return from_value(answer.result)

    async def iterate(self, method: str, *args: Any) -> AsyncGenerator[Any, None]:
        request = messages.StreamingDriverCallRequest(uuid=self._uuid, method=method, args=_values(method, args))
        rpc = self._stub.StreamingDriverCall(request)
        try:
            answers = aiter(rpc)
            while (answer := await self._answered(anext(answers, None))) is not None:
                yield from_value(answer.result)
        finally:
            rpc.cancel()

    def stream(self, method: str = "connect", *, datagrams: bool = False) -> AbstractAsyncContextManager[ByteStream]:
        return streams.stream(self._channel, self._uuid, method, datagrams=datagrams)

    def sending(
        self, chunks: AsyncIterator[bytes], *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[Handle]:
        return streams.sending(self._channel, self._uuid, chunks, encoding=encoding)

    def receiving(self) -> AbstractAsyncContextManager[tuple[Handle, AsyncIterator[bytes]]]:
        return streams.receiving(self._channel, self._uuid)

    async def _answered(self, doing: Awaitable[T]) -> T:
        try:
            return await doing
        except grpc.aio.AioRpcError as error:
            connected = self._channel.get_state() is grpc.ChannelConnectivity.READY
            raise failure(error, self._name, connected=connected) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise lost(self._name) from error  # the rpc was cancelled, and we were not


def _values(method: str, args: tuple[Any, ...]) -> list[Value]:
    try:
        return [to_value(each) for each in args]
    except ValueError as error:
        what = f"the arguments of '{method}' cannot cross the wire: {error}"
        raise BenchError(what, blame="config", call=method) from error
