"""What the exporter logs, for everyone who listens: each gets every line, and those of a moment ago first."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from flowrunner.bench.calling import CALLING, Calling, collecting
from flowrunner.remote.client.remote import LogLine, Source

KEPT = 256
"""Lines that are kept for whoever comes later, and that one who is slow may be behind."""

LONGEST = 64 * 1024
"""Characters of one line that are told; a message of gRPC has its limit."""


class Said(NamedTuple):
    """One line. `time` is in seconds since 1970; `driver` is a path, `type` the driver's.

    A `traffic` line says that a client has called a driver. `fields` are facts for programs.
    """

    time: float
    severity: str
    message: str
    source: Source = "system"
    driver: str | None = None
    type: str | None = None
    operation: str | None = None
    fields: Mapping[str, str] | None = None
    traffic: bool = False

    def line(self) -> LogLine:
        """The same in the words of our own protocol."""
        return LogLine(
            message=self.message, severity=self.severity, source=self.source, driver=self.driver,
            operation=self.operation, time=datetime.fromtimestamp(self.time, UTC),
        )  # fmt: skip


class Logs:
    """The lines of one exporter. It belongs to the event loop on which it was made."""

    def __init__(self) -> None:
        """Nobody has said anything yet."""
        self.kept: deque[Said] = deque(maxlen=KEPT)
        self._listeners: set[_Listener] = set()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def tell(self, said: Said) -> None:
        """Tell everyone; from the event loop's thread."""
        self.kept.append(said)
        for listener in self._listeners:
            listener.put(said)

    def say(self, line: LogLine) -> None:
        """Tell everyone; from the event loop's thread."""
        at = line.time.timestamp() if line.time else time.time()
        self.tell(
            Said(at, line.severity, line.message[:LONGEST], line.source, line.driver, None, line.operation)
        )

    def heard(self, at: Calling | None, record: logging.LogRecord) -> None:
        """Tell everyone of a record; `at` is the driver that logged it. From any thread."""
        said = Said(record.created, record.levelname, _text(record)[:LONGEST])
        if at:
            said = said._replace(source="driver", driver=at.driver, type=at.type, operation=at.call)
        if threading.get_ident() == self._thread:
            self.tell(said)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.tell, said)

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
        async for said in self.everything(()):
            if said.source != "system" and not said.traffic:
                yield said.line()

    async def everything(self, before: Iterable[Said] | None = None) -> AsyncIterator[Said]:
        """Each line from now on, behind those `before`: the last ones when None. Never ends."""
        listener = _Listener(self.kept if before is None else before)
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.discard(listener)


class _Listener:
    """One listener with its queue; what a slow one misses is counted and told."""

    def __init__(self, lines: Iterable[Said]) -> None:
        self._queue: deque[Said] = deque(lines, maxlen=KEPT)
        self._wake = asyncio.Event()
        self._missed = 0

    def put(self, said: Said) -> None:
        self._missed += len(self._queue) == KEPT
        self._queue.append(said)
        self._wake.set()

    async def get(self) -> Said:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return Said(time.time(), "WARNING", f"{missed} lines were lost here: they came too fast")
        return self._queue.popleft()


class _Handler(logging.Handler):
    """Hears what no driver has logged: those are heard through `collecting`."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.INFO)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        if CALLING.get() is None:
            try:
                self._logs.heard(None, record)
            except Exception:  # noqa: BLE001 - as all handlers do: to log must not break who logs
                self.handleError(record)


def _text(record: logging.LogRecord) -> str:
    """The message, with what kind of error was raised; its traceback is for the exporter's own log."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1]:
        text += ": " + "".join(traceback.format_exception_only(record.exc_info[1])).strip()
    return text
