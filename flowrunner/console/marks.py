"""When each byte of an endless stream arrived, in bounded memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right

LIMIT = 1 << 14
"""Marks that are kept of the recent past, and of all that was before; each takes 16 bytes."""

FINEST = 0.001
"""Seconds between two marks."""


class Marks:
    """Pairs of offset and time: exact to a millisecond for the recent past, coarser for what was before."""

    def __init__(self, start: float) -> None:
        self._recent = _Track(0, start)
        self._old = _Track(0, start)
        self._gap = FINEST

    def add(self, offset: int, time: float) -> None:
        """The bytes from `offset` on arrived at `time`."""
        if time - self._recent.times[-1] >= FINEST:
            self._recent.add(offset, time)
            if len(self._recent.times) > LIMIT:
                self._spill()

    def time_of(self, offset: int) -> float:
        """When the byte at `offset` arrived, or a little before."""
        return (self._recent if offset >= self._recent.offsets[0] else self._old).time_of(offset)

    def _spill(self) -> None:
        """Move the older half of the recent marks to the old ones, and thin those out when they are too many."""
        half = LIMIT // 2
        for offset, time in zip(self._recent.offsets[:half], self._recent.times[:half], strict=True):
            if time - self._old.times[-1] >= self._gap:
                self._old.add(offset, time)
        self._recent.keep(slice(half, None))
        if len(self._old.times) > LIMIT:
            self._old.keep(slice(None, None, 2))
            self._gap = max(2 * self._gap, 2 * self._old.times[-1] / LIMIT)


class _Track:
    def __init__(self, offset: int, time: float) -> None:
        self.offsets = array("q", [offset])
        self.times = array("d", [time])

    def add(self, offset: int, time: float) -> None:
        self.offsets.append(offset)
        self.times.append(time)

    def keep(self, part: slice) -> None:
        self.offsets, self.times = self.offsets[part], self.times[part]

    def time_of(self, offset: int) -> float:
        return self.times[max(0, bisect_right(self.offsets, offset) - 1)]
