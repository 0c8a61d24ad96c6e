"""A relay between TFTP clients and a server that loses, doubles and delays packets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Lossy:
    """Each way, each packet may be lost, doubled, or late; late ones are overtaken by others.

    The figures are probabilities, `seed` makes them the same each time. Requests get through.
    """

    server: tuple[str, int]
    seed: int
    lose: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    listen: tuple[str, int] = ("127.0.0.1", 0)
    lost: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _far: dict[Any, socket.socket] = field(default_factory=dict)
    _near: dict[Any, socket.socket] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[str, int]]:
        """The address to ask instead of the server's."""
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(self.seed)
        try:
            yield self._open(self._ask, self.listen).getsockname()
        finally:
            for sock in self._sockets:
                self._loop.remove_reader(sock)
                sock.close()

    def _open(self, took: Callable[[bytes, Any], None], place: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
        """A socket; `took` gets each packet with its sender."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(place)
        sock.setblocking(False)
        self._sockets.append(sock)
        self._loop.add_reader(sock, lambda: took(*sock.recvfrom(70000)))
        return sock

    def _ask(self, packet: bytes, client: Any) -> None:
        """A request: what the server answers comes to a socket that stands for this client."""
        if client not in self._far:
            self._far[client] = self._open(lambda answer, tid: self._answer(answer, tid, client))
        self._far[client].sendto(packet, self.server)

    def _answer(self, packet: bytes, tid: Any, client: Any) -> None:
        """From a transfer to its client, from a socket that stands for the transfer."""
        far = self._far[client]
        if (client, tid) not in self._near:
            self._near[client, tid] = self._open(lambda said, _: self._carry(far, said, tid))
        self._carry(self._near[client, tid], packet, client)

    def _carry(self, sock: socket.socket, packet: bytes, to: Any) -> None:
        if self._random.random() < self.lose:
            self.lost += 1
            return
        for _ in range(2 if self._random.random() < self.double else 1):
            if self._random.random() < self.delay:
                self._loop.call_later(self._random.uniform(0.0005, 0.005), self._send, sock, packet, to)
            else:
                self._send(sock, packet, to)

    def _send(self, sock: socket.socket, packet: bytes, to: Any) -> None:
        if sock.fileno() >= 0:
            sock.sendto(packet, to)
