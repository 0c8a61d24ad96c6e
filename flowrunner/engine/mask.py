"""Masking: no secret, in none of its usual spellings, reaches a file, a terminal or a report."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Secrets with fewer characters are not masked: too much else would be."""


class Masker:
    """Replaces secrets, and each line of those that have several, in text and in byte streams."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        parts = {part for secret in secrets for part in (secret, *secret.splitlines()) if len(part) >= SHORTEST}
        spellings = {spelling for part in parts for spelling in _spellings(part)}
        self.spellings: tuple[bytes, ...] = tuple(sorted(spellings, key=lambda s: (-len(s), s)))
        self._beginnings = frozenset(s[:end] for s in self.spellings for end in range(1, len(s)))
        joined = b"|".join(re.escape(s) for s in self.spellings)
        self._pattern = re.compile(joined) if joined else None

    def text(self, text: str) -> str:
        """`text` with `***` in place of each secret."""
        if self._pattern is None:
            return text
        raw = text.encode("utf-8", "surrogateescape")
        return self._pattern.sub(b"***", raw).decode("utf-8", "surrogateescape")

    def data(self, value: Any) -> Any:
        """Plain data with all its texts, keys included, masked."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value

    def stars(self, data: bytes) -> bytes:
        """`data` with each byte of a secret replaced by a star, so that offsets stay true."""
        if self._pattern is None:
            return data
        return self._pattern.sub(lambda hit: b"*" * len(hit[0]), data)

    def decided(self, data: bytes) -> int:
        """How much of `data` can be masked for good: what follows may still become a secret when more comes."""
        if self._pattern is None:
            return len(data)
        cut = len(data) - self._open_end(data)
        for hit in self._pattern.finditer(data):
            if hit.start() < cut < hit.end():
                return hit.start()
        return cut

    def _open_end(self, data: bytes) -> int:
        """Length of the longest end of `data` with which a spelling begins."""
        for length in range(min(len(self.spellings[0]) - 1, len(data)), 0, -1):
            if data[-length:] in self._beginnings:
                return length
        return 0

    def stream(self) -> StreamMask:
        """A masker for one stream of bytes."""
        return StreamMask(self)


class StreamMask:
    """Masks a stream piece by piece; what may be the beginning of a secret is held back until that is decided."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be let go now, masked. All that went in comes out, in order and in the same length."""
        if not self._masker.spellings:
            return data
        whole = self._held + data
        cut = self._masker.decided(whole)
        self._held = whole[cut:]
        return self._masker.stars(whole[:cut])

    def flush(self) -> bytes:
        """The rest: it was the beginning of no secret."""
        rest, self._held = self._held, b""
        return self._masker.stars(rest)


def _spellings(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield raw.replace(b"\n", b"\r\n")
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        yield encoded
        yield encoded.rstrip(b"=")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1].encode()
    for text in (
        quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace("'", "''"),
        shlex.quote(secret), repr(secret)[1:-1], repr(raw)[2:-1], _double_quoted(secret),
    ):  # fmt: skip
        yield text.encode()


def _double_quoted(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)
