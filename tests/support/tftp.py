"""A TFTP client that does as it is told, also what no client should do."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)


def request(name: str | bytes, mode: str = "octet", operation: int = RRQ, **options: Any) -> bytes:
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
        **options: Any,
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
