"""A console that others can look at while somebody uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, end_sending
from flowrunner.interfaces.console import Console

RECENT = 16 * 1024
"""Bytes of the past with which one who begins to watch is given a start."""

KEPT = 1024 * 1024
"""Bytes that are kept for one who watches slowly; what comes then is lost to him, and to nobody else."""


class WatchedConsole(Console):
    """`console`, with a place beside it. Who uses it never waits for those who watch.

    They see what its user reads, so nothing while nobody has it open; that some of it is lost is said to them.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._watchers: set[_Watcher] = set()
        self._recent = bytearray()
        self._users: list[_Used] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with self._console.connect() as stream:
            user = _Used(self, stream)
            self._users.append(user)
            try:
                yield user
            finally:
                self._users.remove(user)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[ByteStream]:
        watcher = _Watcher(bytes(self._recent[-RECENT:]))
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def __getattr__(self, name: str) -> Any:
        """What else the console can do, such as to send a break."""
        return getattr(self._console, name)

    def came(self, data: bytes, user: _Used) -> None:
        """`user` has read `data`; where several read the same console, what the first of them reads counts."""
        if self._users[:1] != [user]:
            return
        self._recent += data
        if len(self._recent) > 2 * RECENT:
            del self._recent[:-RECENT]
        for watcher in self._watchers:
            watcher.put(data)


class _Used:
    """The stream of the one who uses the console."""

    def __init__(self, watched: WatchedConsole, stream: ByteStream) -> None:
        self._watched = watched
        self._stream = stream

    async def receive(self) -> bytes:
        data = await self._stream.receive()
        self._watched.came(data, self)
        return data

    async def send(self, data: bytes, /) -> None:
        await self._stream.send(data)

    async def send_eof(self) -> None:
        await end_sending(self._stream)


class _Watcher:
    """The stream of one who watches."""

    def __init__(self, recent: bytes) -> None:
        self._kept = bytearray(recent)
        self._lost = 0
        self._news = anyio.Event()

    async def receive(self) -> bytes:
        while not self._kept:
            self._news = anyio.Event()
            await self._news.wait()
        data = bytes(self._kept)
        self._kept.clear()
        if self._lost:
            data += b"\r\n[%d bytes were lost: this reader is too slow]\r\n" % self._lost
            self._lost = 0
        return data

    async def send(self, data: bytes, /) -> None:
        raise BenchError("this console is only watched", blame="config", help="to type, use it yourself: console")

    def put(self, data: bytes) -> None:
        """Keep `data`, when there is room. Behind a gap nothing is kept before the gap was told."""
        if self._lost or len(self._kept) + len(data) > KEPT:
            self._lost += len(data)
        else:
            self._kept += data
            self._news.set()
