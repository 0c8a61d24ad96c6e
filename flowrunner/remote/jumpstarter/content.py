"""Content of images and files, to and from calls on an exporter of Jumpstarter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from flowrunner.interfaces.storage import Image, Written
from flowrunner.remote.client.peer import Handle, Peer

ZEROS = bytes(1 << 18)


async def sent(peer: Peer, image: Image, method: str, *args: object) -> Written:
    """Call `method` with the content of `image` as a plain stream."""
    plain = Plain()
    async with peer.sending(plain.chunks(image)) as handle:
        await peer.call(method, handle, *args)
    return Written(written=plain.sent, size=plain.sent)


async def taken(
    peer: Peer, length: int | None, calling: Callable[[Handle], tuple[Any, ...]]
) -> AsyncGenerator[bytes, None]:
    """What a call writes to a handle: `length` bytes, then it is left alone, or all.

    `calling` says for the handle what is called: the method and its arguments.
    """
    left = length
    async with peer.receiving() as (handle, chunks), _beside(peer.call(*calling(handle))) as work:
        while left != 0 and (chunk := await work.unless_failed(anext(chunks, b""))):
            piece = chunk if left is None else chunk[:left]
            left = None if left is None else left - len(piece)
            yield piece
        if left != 0:
            await work.task


class _Beside:
    """A call at work, beside which its content is read."""

    def __init__(self, calling: Coroutine[Any, Any, Any]) -> None:
        self.task = asyncio.create_task(calling)
        self.task.add_done_callback(self._ended)
        self._reading: anyio.CancelScope | None = None

    async def unless_failed(self, reading: Awaitable[bytes]) -> bytes:
        """What is read next; when the call fails nobody sends any more, and its error is raised."""
        with anyio.CancelScope() as self._reading:
            self._ended(self.task)
            return await reading
        await self.task
        raise AssertionError

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.done() and (task.cancelled() or task.exception()) and self._reading:
            self._reading.cancel()


@asynccontextmanager
async def _beside(calling: Coroutine[Any, Any, Any]) -> AsyncIterator[_Beside]:
    work = _Beside(calling)
    try:
        yield work
    finally:
        work.task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait((work.task,))


class Plain:
    """An image as what a plain stream of it is; `sent` are the bytes that went by."""

    def __init__(self) -> None:
        self.sent = 0

    async def chunks(self, image: Image) -> AsyncIterator[bytes]:
        """The content of `image` from its start to its end; what does not matter in it is zeros."""
        async for extent in image.extents():
            for chunk in self._zeros(extent.offset):
                yield chunk
            if extent.data is not None:
                self.sent += extent.length
                yield bytes(extent.data)
            for chunk in self._zeros(extent.offset + extent.length):
                yield chunk
        for chunk in self._zeros(image.size or 0):
            yield chunk

    def _zeros(self, until: int) -> Iterator[bytes]:
        """Zeros up to an offset."""
        while self.sent < until:
            piece = ZEROS[: until - self.sent]
            self.sent += len(piece)
            yield piece
