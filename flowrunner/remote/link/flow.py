"""Back-pressure within a channel: the sender spends credit, the receiver gives it back when something was used."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import anyio

WINDOW = 4 * 1024 * 1024
"""Bytes of a channel that may be on their way."""

PIECE = 256 * 1024
"""Bytes of one message of a stream."""


def weight(item: object) -> int:
    """How much of the window something takes: a piece of bytes, or an extent as `[offset, length, bytes]`."""
    data = item[2] if isinstance(item, list) else item
    return 64 + (len(data) if isinstance(data, bytes | bytearray | memoryview) else 0)


def pieces(data: bytes, size: int = PIECE) -> Iterator[bytes]:
    """`data` in pieces of `size` bytes at most; data that fits is one piece, also when it is empty."""
    if len(data) <= size:
        yield data
        return
    view = memoryview(data)
    for start in range(0, len(data), size):
        yield bytes(view[start : start + size])


class Credit:
    """What the far end still takes."""

    def __init__(self, amount: int = WINDOW) -> None:
        self.amount = amount
        self._more = asyncio.Event()
        self._ended = False

    def add(self, amount: int) -> None:
        """The far end takes so much more."""
        self.amount += amount
        self._more.set()

    def end(self) -> None:
        """The far end takes nothing any more."""
        self._ended = True
        self._more.set()

    async def spend(self, amount: int) -> None:
        """Wait until anything may be sent, and take `amount` of it; what is taken too much is waited for next time.

        Raises:
            anyio.BrokenResourceError: the far end takes nothing any more.
        """
        while self.amount <= 0 and not self._ended:
            self._more.clear()
            await self._more.wait()
        if self._ended:
            raise anyio.BrokenResourceError
        self.amount -= amount


class Inbox:
    """What came for a channel and was not used yet. `give_back` is told how much more may be sent."""

    def __init__(self, give_back: Callable[[int], None] | None = None) -> None:
        self._items: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._end: BaseException | None = None
        self._give_back = give_back
        self._used = 0

    def put(self, item: Any) -> None:
        """Something came."""
        self._items.append(item)
        self._wake.set()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes: what is there can be read, then `error` is raised (`EndOfStream` when None)."""
        if self._end is None:
            self._end = error or anyio.EndOfStream()
            self._wake.set()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._end is not None

    async def get(self) -> Any:
        """The next item.

        Raises:
            anyio.EndOfStream: there is none, and none will come.
        """
        while not self._items:
            if self._end is not None:
                raise self._end
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()
        self._account(weight(item))
        return item

    def _account(self, amount: int) -> None:
        self._used += amount
        if self._give_back and self._used >= WINDOW // 4:
            self._give_back(self._used)
            self._used = 0
