"""Resources: content that a client offers to a driver, or takes from it, beside a call that names it by a handle."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import anyio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.codecs import ENCODINGS, Packing, decoded
from flowrunner.remote.exporter.presigned import fetched, uploading
from flowrunner.remote.exporter.presigned_request import Request
from flowrunner.remote.frame_stream import FrameStream
from flowrunner.remote.wire import ENCODING

Put = Callable[[bytes], Awaitable[None]]


class Offer:
    """A client's stream that waits for a call. `done` is set when the call needs it no more, or never will.

    `encoding` says how its content is packed; None means as it is, or that the client packs and unpacks it.
    """

    def __init__(self, stream: FrameStream, encoding: str | None) -> None:
        self.uuid = str(uuid4())
        self.stream = stream
        self.encoding = encoding
        self.done = anyio.Event()

    @property
    def handle(self) -> dict[str, Any]:
        """What the client names it by."""
        return {"kind": "client_stream", "uuid": self.uuid, ENCODING: self.encoding}


class Resources:
    """The resources of one part. Each is used once, and by this part only."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}

    @contextmanager
    def offered(self, stream: FrameStream, encoding: str | None) -> Iterator[Offer]:
        """Keep a client's stream for one call, as long as the block lasts.

        An `encoding` that is not known here, or any with JMP_DISABLE_COMPRESSION=1, is left to the client.
        """
        known = encoding in ENCODINGS and os.environ.get("JMP_DISABLE_COMPRESSION") != "1"
        offer = Offer(stream, encoding if known else None)
        self._offers[offer.uuid] = offer
        try:
            yield offer
        finally:
            self._offers.pop(offer.uuid, None)

    async def read(self, handle: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """The content behind a handle, unpacked.

        Raises:
            BenchError: the handle is none, or was used; the content is damaged, or broke off before its end.
        """
        if handle.get("kind") == "presigned_request":
            content = fetched(Request.read(handle, "GET"))
            async with aclosing(content):
                async for chunk in content:
                    yield chunk
            return
        with self._taken(handle) as offer:
            chunks = _received(offer.stream)
            async for chunk in decoded(chunks, offer.encoding, what="the content") if offer.encoding else chunks:
                yield chunk

    @asynccontextmanager
    async def write(self, handle: Mapping[str, Any]) -> AsyncIterator[Put]:
        """Send content to where a handle says, packed as it asks for; leaving ends it.

        Raises:
            BenchError: the handle is none, or was used; or who takes the content is gone, or refused it.
        """
        if handle.get("kind") == "presigned_request":
            async with uploading(Request.read(handle, "PUT")) as put:
                yield put
            return
        with self._taken(handle) as offer:
            put = _sending_to(offer.stream)
            if offer.encoding is None:
                yield put
                return
            packing = Packing(offer.encoding)

            async def put_packed(data: bytes) -> None:
                async for packed in packing.pack(data):
                    await put(packed)

            yield put_packed
            await put(await packing.finish())

    @contextmanager
    def _taken(self, handle: Mapping[str, Any]) -> Iterator[Offer]:
        """The offer that a handle names; nobody finds it a second time."""
        uuid = handle.get("uuid")
        if handle.get("kind") != "client_stream" or not isinstance(uuid, str):
            raise BenchError("the call names no resource", blame="config", help="open one, and pass its handle")
        offer = self._offers.pop(uuid.lower(), None)
        if offer is None:
            what = f"there is no resource '{uuid}' for this driver: it was used, or its client went away"
            raise BenchError(what, blame="config")
        try:
            yield offer
        finally:
            offer.done.set()


async def _received(stream: FrameStream) -> AsyncIterator[bytes]:
    count = 0
    while True:
        try:
            chunk = await stream.receive()
        except anyio.EndOfStream:
            return
        except FlowrunnerError as error:
            what = f"the client's content broke off after {count} bytes: {error.what}"
            raise BenchError(what, blame="infra") from error
        count += len(chunk)
        yield chunk


def _sending_to(stream: FrameStream) -> Put:
    async def put(data: bytes) -> None:
        try:
            await stream.send(data)
        except anyio.BrokenResourceError as error:
            raise BenchError("the client went away before it had got all", blame="infra") from error

    return put
