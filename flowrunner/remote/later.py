"""Fields that Jumpstarter's messages got behind the published 0.9.0, as bytes for `MergeFromString`.

A message keeps what it does not know, and a newer client reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

LENGTH = 2
"""The wire type of texts and of messages (protobuf's encoding guide)."""


def text(number: int, value: str | None) -> bytes:
    """A text; nothing when there is none."""
    return framed(number, value.encode(errors="replace")) if value else b""


def texts(number: int, values: Mapping[str, str] | None) -> bytes:
    """A map of texts."""
    return b"".join(framed(number, text(1, key) + text(2, value)) for key, value in (values or {}).items())


def framed(number: int, payload: bytes) -> bytes:
    """A field with its length."""
    return _varint(number << 3 | LENGTH) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
