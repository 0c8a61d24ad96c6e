"""When each byte of an endless stream arrived, in bounded memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right

LIMIT = 1 << 15
"""Marks that are kept; they take 16 bytes each."""


class Marks:
    """Pairs of offset and time.

    When there are too many, every second one of the older half goes: old times get coarser.
    """

    def __init__(self, start: float) -> None:
        self._offsets = array("q", [0])
        self._times = array("d", [start])

    def add(self, offset: int, time: float) -> None:
        """The bytes from `offset` on arrived at `time`."""
        if time == self._times[-1]:
            return
        self._offsets.append(offset)
        self._times.append(time)
        if len(self._offsets) > LIMIT:
            half = LIMIT // 2
            self._offsets = self._offsets[:half:2] + self._offsets[half:]
            self._times = self._times[:half:2] + self._times[half:]

    def time_of(self, offset: int) -> float:
        """When the byte at `offset` arrived."""
        return self._times[max(0, bisect_right(self._offsets, offset) - 1)]
