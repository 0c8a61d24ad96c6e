"""Content as extents: where a file or a stream has data, and where it is all zeros."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from flowrunner.image.source import Source
from flowrunner.interfaces.storage import Extent

BLOCK = 1 << 15
"""Zeros are looked for in blocks of this many bytes: the check is one memcmp."""

ZEROS = memoryview(bytes(1 << 22))
_BLOCK_OF_ZEROS = bytes(BLOCK)
READ = 1 << 18
COPY = 1 << 26

Range = tuple[int, int]
"""From here up to there, in bytes."""


@dataclass(frozen=True, slots=True)
class InFile:
    """A run of data that still lies in an open file, for the kernel to copy."""

    offset: int
    length: int
    handle: int


Piece = Extent | InFile


def data_ranges(handle: int, start: int, end: int) -> Iterator[Range]:
    """Where a file has data, as its file system knows it; all of it where that knows no holes."""
    while start < end:
        try:
            found = os.lseek(handle, start, os.SEEK_DATA)
            hole = os.lseek(handle, found, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                yield start, end
            return
        if found >= end:
            return
        yield found, min(hole, end)
        start = hole


def file_content(source: Source, handle: int, ranges: Iterable[Range], *, copy: bool) -> Generator[Piece, None, None]:
    """The content of `ranges` of an open file; holes are not read, with `copy` nothing is."""
    for start, end in ranges:
        at = start
        for data, hole in (*data_ranges(handle, start, end), (end, end)):
            if data > at:
                yield Extent(at, data - at, None)
            at = data
            while at < hole:
                if copy:
                    yield InFile(at, min(COPY, hole - at), handle)
                    at = min(at + COPY, hole)
                else:
                    read = _read(source, handle, min(READ, hole - at), at)
                    yield from sparse([(at, read)])
                    at += len(read)
                source.position = at


def _read(source: Source, handle: int, length: int, offset: int) -> bytes:
    try:
        data = os.pread(handle, length, offset)
    except OSError as error:
        raise source.damaged(f"could not be read at byte {offset}: {error.strerror}") from error
    if not data:
        raise source.damaged(f"became shorter while it was read: nothing at byte {offset}")
    return data


def stream_content(source: Source, pieces: Iterable[bytes], ranges: Iterable[Range] | None, size: int | None):  # type: ignore[no-untyped-def]
    """Placeholder."""
