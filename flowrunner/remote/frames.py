"""Frames of RouterService: what one message of a byte stream holds, as it is on the wire.

Both of the protocol's messages, StreamRequest and StreamResponse, have the same two fields: `payload` (1, bytes) and
`frame_type` (2, enum). They are packed here by hand, for that is several times as fast as through their classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol

from flowrunner.remote.wire import router


class FrameType(IntEnum):
    """What a frame means; a type that is not among these is ignored."""

    DATA = 0
    RST_STREAM = 3
    PING = 6
    GOAWAY = 7


METHOD = "/jumpstarter.v1.RouterService/Stream"

FRAME = 256 * 1024
"""Most bytes of one frame that we send. A peer takes messages of up to 4 MiB."""

GOAWAY = b"\x10\x07"
"""The sender sends no more: half close."""

PING = b"\x10\x06"
"""Nothing; it is not answered."""

RST_STREAM = b"\x10\x03"
"""The stream broke."""

_PAYLOAD = 0x0A  # field 1, length-delimited


class Wire(Protocol):
    """One rpc, carrying whole messages."""

    async def read(self) -> bytes | None:
        """The next message; None when the far end has sent all.

        Raises:
            FlowrunnerError: the rpc broke.
        """
        ...

    async def write(self, message: bytes) -> None:
        """Send a message, and wait while the far end does not take it.

        Raises:
            FlowrunnerError: the rpc broke.
        """
        ...

    async def done_writing(self) -> None:
        """Say that no message follows, where the rpc can say so."""
        ...


def data_frame(pieces: Iterable[bytes | memoryview], size: int) -> bytes:
    """A frame with data; `size` is the length of all `pieces` together, in bytes."""
    if not size:
        return b""
    head = bytearray((_PAYLOAD,))
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return b"".join((head, *pieces))


def read_frame(message: bytes) -> tuple[int, bytes]:
    """The type and the payload of a frame.

    Raises:
        ValueError: it is none.
    """
    start = _start_of_lone_payload(message)
    if start:
        return FrameType.DATA, message[start:]
    try:
        frame = router.StreamRequest.FromString(message)
    except Exception as error:  # protobuf's DecodeError has no class that its own types know
        raise ValueError(f"the far end sent {len(message)} bytes that are no frame") from error
    return frame.frame_type, frame.payload


def _start_of_lone_payload(message: bytes) -> int:
    """Where the payload starts when there is nothing but a payload, which is nearly always; 0 otherwise."""
    if not message or message[0] != _PAYLOAD:
        return 0
    size = shift = 0
    for at, byte in enumerate(message[1:6], 2):
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at if size == len(message) - at else 0
        shift += 7
    return 0
