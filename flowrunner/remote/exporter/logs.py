"""What the exporter logs, for everyone who listens: each gets every line, and those of a moment ago first."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from flowrunner.bench.calling import CALLING, Calling, collecting
from flowrunner.remote.client.remote import LogLine, Source

KEPT = 256
"""Lines that are kept for whoever comes later, and that one who is slow may be behind."""

LONGEST = 64 * 1024
"""Characters of one line that are told; a message of gRPC has its limit."""


HEARD = "heard"
"""Attribute of a record that is told in another way already."""


class Said(NamedTuple):
    """One line. `driver` is a path, `type` the driver's, `time` is in seconds since 1970.

    A `traffic` line says that a client has called a driver. `fields` are facts for programs.
    """

    severity: str
    message: str
    source: Source = "system"
    driver: str | None = None
    type: str | None = None
    operation: str | None = None
    fields: Mapping[str, str] | None = None
    traffic: bool = False
    time: float = 0.0

    def line(self) -> LogLine:
        """The same in the words of our own protocol."""
        return LogLine(
            message=self.message, severity=self.severity, source=self.source, driver=self.driver,
            operation=self.operation, time=datetime.fromtimestamp(self.time, UTC),
        )  # fmt: skip


_Entry = tuple[float, Said]
"""When, and what: many lines are the same but for their time."""


class Logs:
    """The lines of one exporter. It belongs to the event loop on which it was made."""

    def __init__(self) -> None:
        """Nobody has said anything yet."""
        self._kept: deque[_Entry] = deque(maxlen=KEPT)
        self._listeners: set[_Listener] = set()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def kept(self) -> list[Said]:
        """The last lines."""
        return [_timed(entry) for entry in self._kept]

    def tell(self, said: Said, at: float | None = None) -> None:
        """Tell everyone; from the event loop's thread. `at` is when, in seconds since 1970; now when None."""
        entry = (time.time() if at is None else at, said)
        self._kept.append(entry)
        for listener in self._listeners:
            listener.put(entry)

    def say(self, line: LogLine) -> None:
        """Tell everyone; from the event loop's thread."""
        said = Said(line.severity, line.message[:LONGEST], line.source, line.driver, None, line.operation)
        self.tell(said, line.time.timestamp() if line.time else None)

    def heard(self, at: Calling | None, record: logging.LogRecord) -> None:
        """Tell everyone of a record; `at` is the driver that logged it. From any thread."""
        said = Said(record.levelname, _text(record)[:LONGEST])
        if at:
            said = said._replace(source="driver", driver=at.driver, type=at.type, operation=at.call)
        if threading.get_ident() == self._thread:
            self.tell(said, record.created)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.tell, said, record.created)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Hear what is logged in this process from `INFO` on; what others print of it stays the same."""
        root = logging.getLogger()
        pinned = [
            (handler, handler.level)
            for handler in root.handlers
            if isinstance(handler, logging.StreamHandler) and handler.level < root.level
        ]
        for handler, _ in pinned:
            handler.setLevel(root.level)
        ours = _Handler(self)
        with collecting():
            root.addHandler(ours)
            try:
                yield
            finally:
                root.removeHandler(ours)
        for handler, level in pinned:
            handler.setLevel(level)

    async def lines(self) -> AsyncIterator[LogLine]:
        """Each line of drivers and hooks from now on. Never ends."""
        async for said in self.everything(kept=False):
            if said.source != "system" and not said.traffic:
                yield said.line()

    async def everything(self, *, kept: bool = True) -> AsyncGenerator[Said, None]:
        """Each line from now on, behind those that were `kept`. Never ends."""
        listener = _Listener(self._kept if kept else ())
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.discard(listener)


class _Listener:
    """One listener with its queue; what a slow one misses is counted and told."""

    def __init__(self, lines: Iterable[_Entry]) -> None:
        self._queue: deque[_Entry] = deque(lines, maxlen=KEPT)
        self._wake = asyncio.Event()
        self._missed = 0

    def put(self, entry: _Entry) -> None:
        self._missed += len(self._queue) == KEPT
        self._queue.append(entry)
        self._wake.set()

    async def get(self) -> Said:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return Said("WARNING", f"{missed} lines were lost here: they came too fast", time=time.time())
        return _timed(self._queue.popleft())


class _Handler(logging.Handler):
    """Hears what no driver has logged: those are heard through `collecting`."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.INFO)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        if CALLING.get() is None and not getattr(record, HEARD, False):
            try:
                self._logs.heard(None, record)
            except Exception:  # noqa: BLE001 - as all handlers do: to log must not break who logs
                self.handleError(record)


def _timed(entry: _Entry) -> Said:
    at, said = entry
    return said._replace(time=at)


def _text(record: logging.LogRecord) -> str:
    """The message, with what kind of error was raised; its traceback is for the exporter's own log."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1]:
        text += ": " + "".join(traceback.format_exception_only(record.exc_info[1])).strip()
    return text
