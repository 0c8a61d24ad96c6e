"""Content as extents: where a file or a stream has data, and where it is all zeros."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
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


def spans(handle: int, ranges: Iterable[Range]) -> Iterator[tuple[int, int, bool]]:
    """All of `ranges`, cut where a file's data and holes meet: from, up to, whether there is data."""
    for start, end in ranges:
        at = start
        for data, hole in (*data_ranges(handle, start, end), (end, end)):
            if data > at:
                yield at, data, False
            if hole > data:
                yield data, hole, True
            at = hole


def file_content(source: Source, handle: int, ranges: Iterable[Range]) -> Generator[Extent, None, None]:
    """The content of `ranges` of an open file; holes are not read."""
    for start, end, data in spans(handle, ranges):
        if not data:
            yield Extent(start, end - start, None)
        at = start
        while data and at < end:
            read = _read(source, handle, min(READ, end - at), at)
            yield from sparse([(at, read)])
            at += len(read)
            source.position = at


def file_copies(source: Source, handle: int, ranges: Iterable[Range]) -> Generator[Piece, None, None]:
    """The same without reading anything: the kernel is to copy it."""
    for start, end, data in spans(handle, ranges):
        if not data:
            yield Extent(start, end - start, None)
            continue
        for at in range(start, end, COPY):
            yield InFile(at, min(COPY, end - at), handle)
            source.position = min(at + COPY, end)


def _read(source: Source, handle: int, length: int, offset: int) -> bytes:
    try:
        data = os.pread(handle, length, offset)
    except OSError as error:
        raise source.damaged(f"could not be read at byte {offset}: {error.strerror}") from error
    if not data:
        raise source.damaged(f"became shorter while it was read: nothing at byte {offset}")
    return data


def positioned(pieces: Iterable[bytes], ranges: Sequence[Range] | None) -> Iterator[tuple[int, bytes]]:
    """The pieces of a stream with their offsets; only what lies in `ranges`, if there are any."""
    todo = deque(ranges or ())
    at = 0
    for piece in pieces:
        end = at + len(piece)
        if ranges is None:
            yield at, piece
        while todo and todo[0][0] < end:
            start, stop = max(todo[0][0], at), min(todo[0][1], end)
            yield start, piece[start - at : stop - at]
            if todo[0][1] > end:
                break
            todo.popleft()
        at = end


def sparse(pieces: Iterable[tuple[int, bytes]], borders: Collection[int] = ()) -> Generator[Extent, None, None]:
    """Pieces with their offsets as extents; zeros that follow each other are one, but never across one of `borders`."""
    zeros_at = zeros = 0
    for offset, data in pieces:
        for start, stop, blank in _runs(data):
            here = offset + start
            if zeros and not (blank and here == zeros_at + zeros and here not in borders):
                yield Extent(zeros_at, zeros, None)
                zeros = 0
            if not blank:
                yield Extent(here, stop - start, data if stop - start == len(data) else memoryview(data)[start:stop])
            elif zeros:
                zeros += stop - start
            else:
                zeros_at, zeros = here, stop - start
    if zeros:
        yield Extent(zeros_at, zeros, None)


def _runs(data: bytes) -> Iterable[tuple[int, int, bool]]:
    """Where `data` is blank and where it is not: from, up to, blank."""
    length = len(data)
    if length <= BLOCK:
        return ((0, length, data == _BLOCK_OF_ZEROS if length == BLOCK else not data.strip(b"\0")),)
    runs: list[tuple[int, int, bool]] = []
    for at in range(0, length, BLOCK):
        end = min(at + BLOCK, length)
        blank = data.startswith(_BLOCK_OF_ZEROS[: end - at], at)
        start = runs.pop()[0] if runs and runs[-1][2] == blank else at
        runs.append((start, end, blank))
    return runs
