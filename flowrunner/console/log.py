"""One console's log: complete on disk, its recent part in memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio

from flowrunner.console.marks import Marks
from flowrunner.console.times import Stamper
from flowrunner.errors import BenchError
from flowrunner.model import Duration

WINDOW = 2 * 1024 * 1024
"""Bytes of the recent past that stay in memory, at most twice that."""


PIECE = struct.Struct("<dI")
"""What is kept of each piece that arrived: when, in seconds since the run started, and its length in bytes."""

PATIENCE = 10.0
"""Seconds that who waits for a console bears with its being away."""


class LogError(BenchError):
    """The disk does not take the log; there is no use in going on."""


class Mask(Protocol):
    """Hides secrets in a stream: all that goes in comes out, in order and in the same length, maybe later."""

    def feed(self, data: bytes) -> bytes:
        """What can be let go after `data` came."""
        ...

    def flush(self) -> bytes:
        """What is still held back."""
        ...


class ConsoleLog:
    """Everything a console printed: `path` has the bytes as they came, `times` the lines with their times.

    `pieces` has a `PIECE` for each time that something arrived: enough to let the bytes come again as they came.

    What goes to disk is masked; a masked byte becomes one byte, so an offset means the same in memory and on disk. What
    may be the beginning of a secret is written when that is decided, at the latest when the log is closed. In memory
    the recent part is as it came; what is older is read back from the disk, with secrets masked.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], Duration], mask: Mask | None = None, window: int = WINDOW
    ) -> None:
        self.path = path
        self.times = path.with_name(path.stem + ".times.log")
        self.pieces = path.with_name(path.stem + ".pieces")
        self.end = 0
        """Offset of the next byte that will arrive."""
        self.line_start = 0
        """Offset behind the last line ending."""
        self.last_at: Duration = clock()
        """When the last byte arrived."""
        self.gone: BenchError | None = None
        """Why nothing comes at present; None while the console is connected."""
        self._over = False
        self._clock = clock
        self._mask = mask
        self._window = window
        self._recent = bytearray()
        self._flushed = 0
        self._written = 0
        self._marks = Marks(self.last_at)
        self._stamper = Stamper()
        self._news: anyio.Event | None = None
        self._raw = _open(path)
        self._stamped = _open(self.times)
        self._cut = _open(self.pieces)
        self._new_pieces = bytearray()

    def append(self, data: bytes) -> bool:
        """Add what arrived; `flush` is to follow soon. Returns whether somebody was waiting and is awake now."""
        self.last_at = self._clock()
        self._marks.add(self.end, self.last_at)
        self._new_pieces += PIECE.pack(self.last_at, len(data))
        newline = data.rfind(b"\n")
        if newline >= 0:
            self.line_start = self.end + newline + 1
        self._recent += data
        self.end += len(data)
        return self._tell()

    def flush(self) -> bytes:
        """Write what arrived; returns what was written, which is masked and may lag behind.

        Raises:
            LogError: the disk did not take it.
        """
        data = self.read(self._flushed)
        self._flushed = self.end
        masked = self._mask.feed(data) if self._mask else data
        self._write(masked)
        self._trim()
        return masked

    def read(self, start: int, end: int | None = None) -> bytes:
        """The bytes from `start` to `end`; those that are long past come from the disk."""
        end = self.end if end is None else min(end, self.end)
        base = self.end - len(self._recent)
        old = os.pread(self._raw, min(end, base) - start, start) if start < min(end, base) else b""
        return old + bytes(self._recent[max(start - base, 0) : max(end - base, 0)])

    def time_of(self, offset: int) -> Duration:
        """When the byte at `offset` arrived, in seconds since the run started; coarser for what is long past."""
        return Duration(self._marks.time_of(offset))

    @property
    def quiet(self) -> float:
        """For how many seconds nothing has arrived."""
        return self._clock() - self.last_at

    async def changed(self, seen: int) -> None:
        """Wait until more than `seen` bytes are there.

        Raises:
            BenchError: nothing more will come, or the console has been away for `PATIENCE`.
        """
        while self.end <= seen:
            if self.gone and self._over:
                raise self.gone
            if self._news is None:
                self._news = anyio.Event()
            if self.gone is None:
                await self._news.wait()
                continue
            with anyio.move_on_after(PATIENCE) as scope:
                await self._news.wait()
            if self.gone and scope.cancelled_caught:
                raise self.gone

    def connected(self) -> None:
        """The console is there, again."""
        self.gone = None
        self._tell()

    def lost(self, reason: BenchError, *, over: bool = False) -> None:
        """The console is away, or for good when it is `over`."""
        first, self.gone, self._over = self.gone is None, reason, over
        if first or over:
            self._tell()

    def close(self) -> None:
        """Write what was held back and close the files; what is in memory can still be read."""
        if self._stamped >= 0:
            try:
                self.flush()
                self._write(self._mask.flush() if self._mask else b"", last=True)
            finally:
                os.close(self._stamped)
                os.close(self._cut)
                self._stamped = self._cut = -1

    def __del__(self) -> None:
        for file in (getattr(self, name, -1) for name in ("_raw", "_stamped", "_cut")):
            if file >= 0:
                os.close(file)

    def _tell(self) -> bool:
        news, self._news = self._news, None
        if news is not None:
            news.set()
        return news is not None

    def _write(self, masked: bytes, *, last: bool = False) -> None:
        time = self._marks.time_of(self._written)
        try:
            _write_all(self._raw, masked)
            self._written += len(masked)
            _write_all(self._stamped, self._stamper.feed(masked, time, last=last))
            _write_all(self._cut, bytes(self._new_pieces))
            self._new_pieces.clear()
        except OSError as error:
            raise LogError(
                f"the console's log {self.path} could not be written: {error.strerror}",
                blame="infra",
                help="make room on the disk",
            ) from error

    def _trim(self) -> None:
        if len(self._recent) > 2 * self._window:
            surplus = len(self._recent) - self._window
            del self._recent[: min(surplus, len(self._recent) - (self.end - self._written))]


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LogError(
            f"the console's log {path} could not be made: {error.strerror}", blame="infra",
            help="choose another place for the run's folder",
        ) from error  # fmt: skip


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
