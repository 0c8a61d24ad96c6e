"""The exporter's end of an rpc of RouterService."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.remote.frames import PING

ServerContext: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

_ENDED = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, RuntimeError)
"""What gRPC raises on an rpc that is over."""


class ServerWire:
    """Carries whole messages, as bytes."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._writing = asyncio.Lock()

    async def read(self) -> bytes | None:
        try:
            message = await self._context.read()
        except _ENDED as error:
            raise Gone from error
        if isinstance(message, bytes):
            return message
        await self.write(PING)  # gRPC ends the messages of a client that is gone as it ends those of one that has done
        return None

    async def write(self, message: bytes) -> None:
        try:
            async with self._writing:
                await self._context.write(message)
        except _ENDED as error:
            raise Gone from error

    async def done_writing(self) -> None:
        """A server says so with its status only."""


class Gone(BenchError):
    """The client is not there any more."""

    def __init__(self) -> None:
        super().__init__("the client went away", blame="infra")
