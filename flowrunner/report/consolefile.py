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
        log = _inside(folder, facts.log)
        self.data = _map(log)
        self.offsets, self.times = _read_times(log, _inside(folder, facts.times))

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
        """The last `lines` lines, of reasonable length, that end at `offset`, the last line ending included."""
        start = max(0, offset - 400 * lines)
        piece = bytes(self.data[start:offset])
        if start and b"\n" in piece[:-1]:
            piece = piece[piece.index(b"\n") + 1 :]
        return b"".join(piece.splitlines(keepends=True)[-lines:]) if lines else b""


def _inside(folder: Path, name: str) -> Path | None:
    """The file `name` of the folder: what a journal names outside of it is not read."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _map(path: Path | None) -> mmap.mmap | bytes:
    if path is None or not path.is_file() or path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read_times(log: Path | None, times: Path | None) -> tuple[array[int], array[float]]:
    """Where the time changes: the stamped log has the same lines as the raw one, each behind `[seconds] `."""
    offsets, when, at, before = array("q"), array("d"), 0, b""
    if log is None or times is None or not log.is_file() or not times.is_file():
        return offsets, when
    with log.open("rb") as raw_lines, times.open("rb") as stamped_lines:
        for raw, stamped in zip(raw_lines, stamped_lines, strict=False):
            stamp = stamped[:_STAMP]
            if stamp != before and (seconds := _seconds(stamp)) is not None and (not when or seconds >= when[-1]):
                offsets.append(at)
                when.append(seconds)
                before = stamp
            at += len(raw)
    return offsets, when


_STAMP = len("[     0.000000]")


def _seconds(stamp: bytes) -> float | None:
    try:
        return float(stamp.strip(b"[] "))
    except ValueError:
        return None
