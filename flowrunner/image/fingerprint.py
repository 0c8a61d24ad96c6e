"""What was written, as one digest for each few MiB: so that a read back names the place that differs."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence

from flowrunner.image.content import ZEROS, Range
from flowrunner.interfaces.storage import Extent

WINDOW = 4 << 20
"""Bytes that one digest covers, and how exactly a difference can be named."""


class Fingerprint:
    """Digests of content that comes in ascending order. `ranges` are the bytes that it covers."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self._windows: dict[int, hashlib._Hash] = {}

    @property
    def end(self) -> int:
        """The byte behind the last one that it covers."""
        return self.ranges[-1][1] if self.ranges else 0

    def noting(self, extents: Iterable[Extent]) -> Generator[Extent, None, None]:
        """The same extents; each is taken in before it is passed on."""
        for extent in extents:
            self.add(extent.offset, extent.length, extent.data)
            yield extent

    def add(self, offset: int, length: int, data: bytes | memoryview | None) -> None:
        """Take in `length` bytes; without `data` they are zeros."""
        if self.ranges and self.ranges[-1][1] == offset:
            self.ranges[-1] = (self.ranges[-1][0], offset + length)
        else:
            self.ranges.append((offset, offset + length))
        done = 0
        while done < length:
            window, into = divmod(offset + done, WINDOW)
            size = min(WINDOW - into, length - done)
            digest = self._windows.setdefault(window, hashlib.sha256())
            digest.update(ZEROS[:size] if data is None else memoryview(data)[done : done + size])
            done += size

    def difference(self, other: Fingerprint) -> Range | None:
        """The first window in which the two are not the same; None when they are."""
        for window in sorted(self._windows.keys() | other._windows.keys()):
            here, there = self._windows.get(window), other._windows.get(window)
            if here is None or there is None or here.digest() != there.digest():
                return window * WINDOW, (window + 1) * WINDOW
        return None


class Comparison:
    """Takes in what is read back from the start on, and keeps what `wanted` covers."""

    def __init__(self, wanted: Fingerprint) -> None:
        self.wanted = wanted
        self.found = Fingerprint()
        self.end = 0
        self._next = 0

    def add(self, data: bytes) -> None:
        """The next bytes."""
        start, self.end = self.end, self.end + len(data)
        ranges: Sequence[Range] = self.wanted.ranges
        while self._next < len(ranges) and ranges[self._next][0] < self.end:
            first, last = max(ranges[self._next][0], start), min(ranges[self._next][1], self.end)
            self.found.add(first, last - first, memoryview(data)[first - start : last - start])
            if ranges[self._next][1] > self.end:
                return
            self._next += 1

    def difference(self) -> Range | None:
        """The first few MiB in which what was read is not what was written; None when it is the same."""
        return self.wanted.difference(self.found)
