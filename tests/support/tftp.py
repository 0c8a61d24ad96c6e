"""A TFTP client that does as it is told, also what no client should do, and a relay that loses, doubles and reorders."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)


def request(name: str | bytes, mode: str = "octet", operation: int = RRQ, **options: object) -> bytes:
    """A request as bytes."""
    raw = name if isinstance(name, bytes) else name.encode()
    fields = [raw, mode.encode(), *(str(part).encode() for pair in options.items() for part in pair)]
    return struct.pack("!H", operation) + b"\0".join(fields) + b"\0"


def ack(block: int) -> bytes:
    """An ACK as bytes."""
    return struct.pack("!HH", ACK, block & 0xFFFF)


@dataclass
class Client:
    """One transfer's client on a socket of its own. Blocks: run it in a thread."""

    server: tuple[Any, ...]
    patience: float = 5.0
    oack: dict[str, str] = field(default_factory=dict)
    packets: int = 0

    def __post_init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.server[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(self.patience)
        self.peer: tuple[Any, ...] = self.server

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, packet: bytes) -> tuple[int, int, bytes]:
        """Send a request and take the first answer, as `receive` does."""
        self.socket.sendto(packet, self.server)
        return self.receive()

    def send(self, packet: bytes) -> None:
        """Send to where the last packet came from."""
        self.socket.sendto(packet, self.peer)

    def receive(self) -> tuple[int, int, bytes]:
        """The next packet: its operation, its block or code, and what follows."""
        data, self.peer = self.socket.recvfrom(70000)
        self.packets += 1
        operation = struct.unpack_from("!H", data)[0]
        if operation == OACK:
            texts = [part.decode() for part in data[2:].split(b"\0")[:-1]]
            self.oack = dict(zip(texts[::2], texts[1::2], strict=True))
            return OACK, 0, b""
        return operation, struct.unpack_from("!H", data, 2)[0], data[4:]

    def fetch(
        self, name: str, mode: str = "octet", *, acks: Callable[[int], list[int]] = lambda n: [n], pause: float = 0.2,
        **options: object,
    ) -> bytes:  # fmt: skip
        """A whole file, as RFC 1350 and 7440 say; `acks` are the blocks that are acknowledged instead of one.

        After `pause` seconds of silence the last thing is said again.
        """
        packet = request(name, mode, **options)
        self.peer = self.server
        self.socket.sendto(packet, self.server)
        self.socket.settimeout(pause)
        return self._collect(packet, acks, pause)

    def fetch_rest(self) -> bytes:
        """What comes from here on, without options, when the first block was received."""
        self.send(ack(1))
        return self._collect(ack(1), lambda n: [n], self.patience, expected=2)

    def _collect(self, said: bytes, acks: Callable[[int], list[int]], pause: float, expected: int = 1) -> bytes:
        content, held, silent = bytearray(), 0, 0
        blksize, window = 512, 1
        while True:
            try:
                operation, block, data = self.receive()
                silent = 0
            except TimeoutError:
                silent += 1
                if silent * pause >= self.patience:
                    raise
                self.socket.sendto(said, self.peer)
                continue
            if operation == ERROR:
                raise ConnectionError(f"{block}: {data.rstrip(bytes(1)).decode()}")
            if operation == OACK:
                blksize, window = int(self.oack.get("blksize", 512)), int(self.oack.get("windowsize", 1))
                if expected == 1:
                    said = ack(0)
                    self.send(said)
                continue
            if block != expected & 0xFFFF:
                if window > 1 or block == (expected - 1) & 0xFFFF:  # RFC 7440: say where we are; RFC 1350: once more
                    self.send(ack(expected - 1))
                    held = 0
                continue
            content += data
            held, expected = held + 1, expected + 1
            said = ack(expected - 1)
            if len(data) < blksize or held == window:
                held = 0
                for number in acks(expected - 1):
                    self.send(ack(number))
            if len(data) < blksize:
                return bytes(content)


@dataclass
class Lossy:
    """A relay between TFTP clients and a server; each way, each packet may be lost, doubled, or late.

    The figures are probabilities; `seed` makes them the same each time. The first `spared` packets each way of a
    transfer get through.
    """

    server: tuple[str, int]
    seed: int
    lose: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    spared: int = 0
    lost: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[str, int]]:
        """The address to ask instead of the server's."""
        self._random = random.Random(self.seed)
        self._transports: list[asyncio.DatagramTransport] = []
        self._near: dict[tuple[Any, Any], asyncio.DatagramTransport] = {}
        self._far: dict[Any, asyncio.DatagramTransport] = {}
        front = await self._endpoint(self._asked)
        try:
            yield front.get_extra_info("sockname")[:2]
        finally:
            for transport in self._transports:
                transport.close()

    async def _endpoint(self, took: Callable[[bytes, Any], None]) -> asyncio.DatagramTransport:
        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                took(data, addr)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
        self._transports.append(transport)
        return transport

    def _asked(self, data: bytes, client: Any) -> None:
        asyncio.ensure_future(self._ask(data, client))

    async def _ask(self, data: bytes, client: Any) -> None:
        if client not in self._far:
            self._far[client] = await self._endpoint(lambda answer, tid: self._answered(answer, tid, client))
        self._pass(self._far[client], data, self.server, number=0)

    def _answered(self, data: bytes, tid: Any, client: Any) -> None:
        asyncio.ensure_future(self._answer(data, tid, client))

    async def _answer(self, data: bytes, tid: Any, client: Any) -> None:
        if (client, tid) not in self._near:
            counts = iter(range(1 << 30))
            far = self._far[client]
            near = await self._endpoint(lambda said, _: self._pass(far, said, tid, next(counts)))
            self._near[client, tid] = near
            self._counts = iter(range(1 << 30))
        self._pass(self._near[client, tid], data, client, next(self._counts))

    def _pass(self, transport: asyncio.DatagramTransport, data: bytes, to: Any, number: int) -> None:
        if number >= self.spared and self._random.random() < self.lose:
            self.lost += 1
            return
        copies = 2 if self._random.random() < self.double else 1
        for _ in range(copies):
            late = self._random.uniform(0.0005, 0.005) if self._random.random() < self.delay else 0
            if late:
                asyncio.get_running_loop().call_later(late, _send, transport, data, to)
            else:
                _send(transport, data, to)


def _send(transport: asyncio.DatagramTransport, data: bytes, to: Any) -> None:
    if not transport.is_closing():
        transport.sendto(data, to)
