"""Compressed images: told by their first bytes, unpacked in one pass and constant memory."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from flowrunner.image.source import Source
from flowrunner.image.zstandard import zstd

Compression = Literal["auto", "none", "gz", "xz", "zstd", "bz2"]
"""How an image is packed; `auto` looks at its first bytes."""

PIECE = 1 << 15
"""Bytes unpacked at once: the libraries return so much without copying, and it stays in the processor's cache."""


class Decoder(Protocol):
    """One stream of the format; `decompress` gives at most `max_length` bytes and keeps the rest of its input."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more can only come from more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take `data` and return what can be unpacked."""
        ...


class _Gzip:
    """zlib's decompressor with the manners of the three others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length
        return piece


@dataclass(frozen=True, slots=True)
class Codec:
    """A format: its name, how its streams begin, and what unpacks one."""

    name: Compression
    magic: tuple[bytes, ...]
    decoder: Callable[[], Decoder]

    def begins(self, data: bytes) -> bool:
        """Whether a stream may begin with `data`, which may be cut short."""
        return any(data.startswith(magic[: len(data)]) for magic in self.magic)


_SKIPPABLE = tuple(bytes((number, 0x2A, 0x4D, 0x18)) for number in range(0x50, 0x60))
"""Frames of zstd that carry no content (RFC 8878, 3.1.2); parallel and seekable files have them."""

_BZ2 = tuple(b"BZh%d%b" % (level, block) for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90"))
"""Streams with content, and empty ones: the level, then the digits of pi or of its square root."""

CODECS = (
    Codec("gz", (b"\x1f\x8b\x08",), _Gzip),
    Codec("xz", (b"\xfd7zXZ\x00",), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    Codec("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), zstd.ZstdDecompressor),
    Codec("bz2", _BZ2, bz2.BZ2Decompressor),
)

_ERRORS = (lzma.LZMAError, zstd.ZstdError, zlib.error, OSError, ValueError, EOFError)


def find_codec(source: Source, compression: Compression) -> Codec | None:
    """What unpacks `source`; None when it is not packed.

    Raises:
        BenchError: the author named a format that it does not have.
    """
    found = next((codec for codec in CODECS if source.head.startswith(codec.magic)), None)
    if compression == "none":
        return None
    if compression != "auto" and (found is None or found.name != compression):
        raise source.damaged(f"is not packed with {compression}", help=f"it looks like {found.name}" if found else None)
    return found


class Unpacker:
    """Unpacks all streams of a packed content, one behind the other.

    `damaged` makes the error of a sentence such as "is damaged: ..."; it is raised when the content is not valid.
    """

    def __init__(self, codec: Codec, damaged: Callable[[str], Exception]) -> None:
        self._codec = codec
        self._damaged = damaged
        self._decoder: Decoder | None = None
        self._begun = False
        self._at = 0

    def pieces(self, chunk: bytes) -> Generator[bytes, None, None]:
        """What `chunk` holds, in pieces of at most `PIECE` bytes; all are to be taken before the next chunk."""
        rest = chunk
        while rest or (self._decoder and not self._decoder.needs_input):
            if self._decoder is None:
                if not rest.strip(b"\0"):
                    break
                self._decoder = self._next_stream(rest, self._at + len(chunk) - len(rest))
            try:
                piece = self._decoder.decompress(rest, PIECE)
            except _ERRORS as error:
                where = f"between bytes {self._at} and {self._at + len(chunk)}"
                raise self._damaged(f"is damaged: no valid {self._codec.name} data {where}") from error
            if piece:
                yield piece
            rest = b""
            if self._decoder.eof:
                rest, self._decoder = self._decoder.unused_data, None
        self._at += len(chunk)

    def finish(self) -> None:
        """Make sure that nothing is missing at the end."""
        if not self._begun:
            raise self._damaged(f"holds no {self._codec.name} stream")
        if self._decoder:
            raise self._damaged(f"is truncated: its {self._codec.name} stream goes on behind byte {self._at}")

    def _next_stream(self, rest: bytes, place: int) -> Decoder:
        if not self._codec.begins(rest):
            raise self._damaged(f"is damaged: what follows at byte {place} is no {self._codec.name} stream")
        self._begun = True
        return self._codec.decoder()


def unpacked(source: Source, chunks: Iterable[bytes], codec: Codec) -> Generator[bytes, None, None]:
    """The content of a packed image, all of its streams one behind the other, in pieces of at most `PIECE` bytes.

    Raises:
        BenchError: it is damaged, or its end is missing.
    """
    unpacker = Unpacker(codec, source.damaged)
    for chunk in chunks:
        yield from unpacker.pieces(chunk)
    unpacker.finish()
