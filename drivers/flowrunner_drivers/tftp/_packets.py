"""TFTP's packets: requests are read, the rest is written (RFC 1350 section 5, RFC 2347)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

HEADER = struct.Struct("!HH")
"""What DATA, ACK and ERROR begin with: the operation, then a block or a code."""


ERROR = b"\0\5"
"""The first two bytes of an ERROR."""


class Op(IntEnum):
    """What a packet is."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class Code(IntEnum):
    """What an ERROR says (RFC 1350 section 5, RFC 2347)."""

    UNDEFINED = 0
    NOT_FOUND = 1
    ACCESS = 2
    ILLEGAL = 4
    UNKNOWN_TRANSFER = 5
    OPTIONS = 8


class Refusal(Exception):
    """A request that is answered with an ERROR."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def packet(self) -> bytes:
        """The ERROR."""
        return error(self.code, self.text)


@dataclass(frozen=True, slots=True)
class Request:
    """A read request. Names of options are in lower case."""

    name: str
    netascii: bool
    options: Mapping[str, str]


def read(packet: bytes) -> Request:
    """The read request that `packet` is.

    Raises:
        Refusal: it is none, or it is malformed.
    """
    operation = packet[1] if len(packet) >= 2 and packet[0] == 0 else 0
    if operation == Op.WRQ:
        raise Refusal(Code.ACCESS, "this server is read-only")
    if operation in (Op.DATA, Op.ACK, Op.OACK):
        raise Refusal(Code.UNKNOWN_TRANSFER, "there is no such transfer on this port")
    if operation != Op.RRQ:
        raise Refusal(Code.ILLEGAL, "this is no read request")
    fields = packet[2:].split(b"\0")
    if len(fields) < 3 or fields[-1] or not fields[0]:
        raise Refusal(Code.ILLEGAL, "a name and a mode are expected, each with a NUL behind it")
    mode = fields[1].lower()
    if mode not in (b"octet", b"netascii"):
        raise Refusal(Code.ILLEGAL, "the mode is neither octet nor netascii")
    return Request(fields[0].decode(errors="surrogateescape"), mode == b"netascii", _options(fields[2:]))


def _options(fields: list[bytes]) -> dict[str, str]:
    while fields and not fields[-1]:  # some boot ROMs pad their requests with NULs
        fields = fields[:-1]
    if len(fields) % 2:
        raise Refusal(Code.OPTIONS, "an option has no value")
    found: dict[str, str] = {}
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        key = name.decode("latin-1").lower()
        if key in found:
            raise Refusal(Code.OPTIONS, "an option is given twice")
        found[key] = value.decode("latin-1")
    return found


def error(code: Code, text: str) -> bytes:
    """An ERROR; `text` is for people."""
    return HEADER.pack(Op.ERROR, code) + text.encode("ascii", "replace") + b"\0"


def oack(options: Mapping[str, str]) -> bytes:
    """The acknowledgement of options."""
    pairs = b"".join(f"{name}\0{value}\0".encode("latin-1") for name, value in options.items())
    return bytes((0, Op.OACK)) + pairs
