"""How messages lie on the wire: msgpack arrays, several in one gRPC message where they are small.

A packet is `[sequence, received]`, which only acknowledges, or `[sequence, received, kind, channel, body]`. `sequence`
counts from 1, `received` is the last one that the sender of this packet has got. A connection starts with one hello
from the client and one welcome from the server, each a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import msgpack

from flowrunner.remote.link.plain import plain

METHOD = "/flowrunner.v1.Link/Open"
VERSION = 1

BATCH = 512 * 1024
"""Bytes from which on no more packets are put into the same message."""


class Kind(IntEnum):
    """What a message says. Those of a channel have its number, others have 0."""

    TAKE = 1  # client: wait for the exporter and hold it
    WAITING = 2  # exporter: who has it, and the place in the queue
    TAKEN = 3  # exporter: it is held now
    GIVE = 4  # client: give it back
    GIVEN = 5  # exporter: it was given back, all is closed
    LOST = 6  # exporter: the lease ended early
    EXTEND = 7  # client: seconds from now until it ends
    LOG = 8  # exporter: a line of its log
    CALL = 10  # client: path, method, arguments
    RESULT = 11  # exporter: the answer of a call
    ITERATE = 12  # client: path, method, arguments
    ITEM = 13  # one value of an iterator
    STREAM = 14  # client: path, method, arguments
    OPENED = 15  # exporter: the stream is open
    DATA = 16  # bytes of a stream
    EOF = 17  # no more bytes in this direction
    CREDIT = 18  # so much more may be sent
    CANCEL = 19  # client: nobody waits for this any more
    END = 20  # it is over, and everything of it is closed
    FAULT = 21  # it is over, with an error


class Packet(NamedTuple):
    """One message; `sequence` 0 only acknowledges."""

    sequence: int
    received: int
    kind: int = 0
    channel: int = 0
    body: Any = None


class Wire(Protocol):
    """One connection, which carries messages until it breaks."""

    async def read(self) -> bytes | None:
        """The next message; None when the connection has ended, however."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a message.

        Raises:
            ConnectionError: the connection has ended.
        """
        ...


_packer = msgpack.Packer(default=plain, autoreset=True)


def pack(data: object) -> bytes:
    """Plain data, or what `plain` makes of it, as bytes.

    Raises:
        ValueError: it cannot cross the wire.
    """
    try:
        return bytes(_packer.pack(data))
    except (TypeError, ValueError, OverflowError) as error:
        _packer.reset()
        raise ValueError(f"a value cannot cross the wire: {error}") from error


def pack_content(kind: Kind, channel: int, body: object) -> bytes:
    """The part of a packet that does not change when it is sent again."""
    return pack(int(kind)) + pack(channel) + pack(body)


def pack_head(sequence: int, received: int, *, more: bool = False) -> bytes:
    """The head of a packet, with its content behind it when there is `more`; else an acknowledgement."""
    return (b"\x95" if more else b"\x92") + pack(sequence) + pack(received)  # arrays of 5 and of 2


def unpack(data: bytes) -> Iterator[Packet]:
    """The packets in a message.

    Raises:
        ValueError: it is damaged.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data) + 1, strict_map_key=False)
    unpacker.feed(data)
    try:
        for found in unpacker:
            yield _packet(found)
        unpacker.read_bytes(0)  # raises when a packet is not complete
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        raise ValueError(f"a damaged message: {error}") from error


def unpack_map(data: bytes) -> dict[str, Any]:
    """A hello or a welcome.

    Raises:
        ValueError: it is neither.
    """
    try:
        found = msgpack.unpackb(data)
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        raise ValueError(f"a damaged message: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("a damaged message: no map")
    return found


def _packet(found: object) -> Packet:
    if not isinstance(found, list) or len(found) not in (2, 5) or not all(type(n) is int and n >= 0 for n in found[:4]):
        raise ValueError("not a packet")
    return Packet(*found)
