"""A console of a run's folder: its bytes, and when each of them came."""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left, bisect_right
from pathlib import Path

from flowrunner.report.model import ConsoleFacts


class ConsoleFile:
    """Reads a raw log, which may be large, and its times. Missing or damaged files read as empty ones."""

    def __init__(self, folder: Path, facts: ConsoleFacts) -> None:
        self.name = facts.name
        self.log = facts.log
        self.data = _map(_inside(folder, facts.log))
        self.offsets, self.times = _read_times(_inside(folder, facts.times), len(self.data))

    def __len__(self) -> int:
        return len(self.data)

    def time_at(self, offset: int) -> float | None:
        """When the byte at `offset` came, in seconds since the run started; None when that is not known."""
        index = bisect_right(self.offsets, offset) - 1
        return self.times[index] if index >= 0 else None

    def end_at(self, time: float) -> int:
        """The offset behind the last byte that had come by `time`."""
        index = bisect_right(self.times, time + 1e-6)
        return self.offsets[index] if index < len(self.offsets) else len(self.data)

    def since(self, time: float) -> int:
        """The offset of the first byte that came at `time` or later."""
        index = bisect_left(self.times, time)
        return self.offsets[index] if index < len(self.offsets) else len(self.data)

    def line_at(self, offset: int) -> int:
        """The number, from 1, of the line in which the byte at `offset` is."""
        count, step = 1, 1 << 20
        for start in range(0, offset, step):
            count += self.data[start : min(start + step, offset)].count(b"\n")
        return count

    def before(self, offset: int, lines: int = 1) -> bytes:
        """The last `lines` lines, of reasonable length, that end at `offset`."""
        piece = bytes(self.data[max(0, offset - 400 * lines) : offset]).rstrip(b"\r\n")
        return b"\n".join(piece.split(b"\n")[-lines:])


def _inside(folder: Path, name: str) -> Path | None:
    """The file `name` of the folder: what a journal names outside of it is not read."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _map(path: Path | None) -> mmap.mmap | bytes:
    if path is None or not path.is_file() or path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read_times(path: Path | None, end: int) -> tuple[array[int], array[float]]:
    offsets, times = array("q"), array("d")
    try:
        lines = path.read_bytes().split(b"\n") if path else []
    except OSError:
        lines = []
    for line in lines:
        try:
            time, offset = line.split()
            when, at = float(time), int(offset)
        except ValueError:
            continue
        if at < end and (not offsets or (at > offsets[-1] and when >= times[-1])):
            offsets.append(at)
            times.append(when)
    return offsets, times
