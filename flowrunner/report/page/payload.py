"""What the page carries of a console: all of it when it packs well, else its ends and what is around the steps."""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowrunner.report.consolefile import ConsoleFile

PACKED = 12 << 20
"""Bytes that the packed log may have to go in whole."""

HEAD, WINDOW, TAIL, PARTS = 512 << 10, 64 << 10, 2 << 20, 6 << 20
"""Bytes of a larger log that go in: its beginning, around each mark, its end, and in all."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the log: its first byte, the number of its first line, its length in bytes."""

    offset: int
    line: int
    length: int


@dataclass(frozen=True, slots=True)
class Payload:
    """The pieces, packed, and the times of arrival that belong to them, packed."""

    segments: tuple[Segment, ...]
    log: str
    times: str

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return len(self.segments) <= 1


def pack(console: ConsoleFile, marks: Iterable[int]) -> Payload:
    """The payload of a console; `marks` are offsets that matter."""
    size = len(console)
    whole = _gzip(console, [(0, size)], PACKED)
    if whole is not None:
        return Payload((Segment(0, 1, size),) if size else (), whole, _pack_times(console))
    pieces = choose(size, marks)
    pieces = [(_line_start(console, start), _line_end(console, end)) for start, end in pieces]
    segments: list[Segment] = []
    line, at = 1, 0
    for start, end in merged(pieces):
        line += _newlines(console, at, start)
        segments.append(Segment(start, line, end - start))
        at, line = end, line + _newlines(console, start, end)
    packed = _gzip(console, [(s.offset, s.offset + s.length) for s in segments], None)
    return Payload(tuple(segments), packed or "", _pack_times(console))


def choose(size: int, marks: Iterable[int]) -> list[tuple[int, int]]:
    """The ranges of a log of `size` bytes to keep, at most `PARTS` bytes in all; the last marks matter most."""
    chosen = [(0, min(HEAD, size)), (max(0, size - TAIL), size)]
    for mark in sorted(set(marks), reverse=True):
        more = merged([*chosen, (max(0, mark - WINDOW), min(size, mark + WINDOW))])
        if sum(end - start for start, end in more) > PARTS:
            break
        chosen = more
    return merged(chosen)


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return found


def _gzip(console: ConsoleFile, ranges: Sequence[tuple[int, int]], limit: int | None) -> str | None:
    """The ranges packed, as base64; None when they pack to more than `limit` bytes."""
    small = sum(end - start for start, end in ranges) < 4 << 20
    packer, packed, total = zlib.compressobj(6 if small else 1, zlib.DEFLATED, 31), [], 0
    for start, end in ranges:
        for at in range(start, end, 1 << 20):
            packed.append(packer.compress(console.data[at : min(at + (1 << 20), end)]))
            total += len(packed[-1])
            if limit is not None and total > limit:
                return None
    packed.append(packer.flush())
    return base64.b64encode(b"".join(packed)).decode()


def _pack_times(console: ConsoleFile) -> str:
    """Steps of (bytes, milliseconds) from one arrival to the next as 32-bit numbers, little end first."""
    steps = array("I")
    offset = time = 0
    for at, when in zip(console.offsets, console.times, strict=True):
        millis = round(when * 1000)
        if steps and millis == time:
            continue
        steps.extend((min(at - offset, 2**32 - 1), min(max(millis - time, 0), 2**32 - 1)))
        offset, time = at, millis
    if sys.byteorder == "big":
        steps.byteswap()
    return base64.b64encode(zlib.compress(steps.tobytes(), 6, 31)).decode()


def _line_start(console: ConsoleFile, offset: int) -> int:
    return console.data.rfind(b"\n", max(0, offset - WINDOW), offset) + 1 or offset


def _line_end(console: ConsoleFile, offset: int) -> int:
    return console.data.find(b"\n", offset, offset + WINDOW) + 1 or offset


def _newlines(console: ConsoleFile, start: int, end: int) -> int:
    return sum(console.data[at : min(at + (1 << 20), end)].count(b"\n") for at in range(start, end, 1 << 20))
