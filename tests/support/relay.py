"""A TCP relay between a client and a server that can be cut, or go silent, as networks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Relay:
    """Forwards connections from `port` on `host` to another port at `far`, both on loopback.

    `carried` bytes came from there so far; `on_carried` is called whenever there are more.
    """

    def __init__(self, target: int, *, host: str = "127.0.0.1", far: str = "127.0.0.1") -> None:
        self.port = 0
        self.carried = 0
        self.on_carried: Callable[[], None] | None = None
        self._host = host
        self._far = far
        self.connections = 0
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def cut(self) -> None:
        """End all connections at once, as a crashed router does; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def go_silent(self) -> None:
        """Carry nothing more, and tell nobody, as a pulled cable does."""
        self._flowing.clear()

    def heal(self) -> None:
        """Carry again, also what was held back."""
        self._flowing.set()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[Relay]:
        """Take connections; port 0 takes a free one."""
        server = await asyncio.start_server(self._accept, self._host, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._flowing.wait()
        far_reader, far_writer = await asyncio.open_connection(self._far, self._target)
        self._writers |= {writer, far_writer}
        both = [
            asyncio.create_task(self._carry(reader, far_writer)),
            asyncio.create_task(self._carry(far_reader, writer, counted=True)),
        ]
        self._tasks.update(both)
        await asyncio.wait(both)
        self._tasks.difference_update(both)
        self._writers -= {writer, far_writer}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        try:
            while data := await reader.read(65536):
                self.carried += len(data) if counted else 0
                if self.on_carried and counted:
                    self.on_carried()
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
