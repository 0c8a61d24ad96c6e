"""What the exporter logs, for everyone who listens: each gets every line, and those of a moment ago first."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from flowrunner.bench.calling import Calling
from flowrunner.remote.client.remote import LogLine

KEPT = 256
"""Lines that are kept for whoever comes later, and that one who is slow may be behind."""


class Logs:
    """The lines of one exporter."""

    def __init__(self) -> None:
        """Nobody has said anything yet."""
        self.kept: deque[LogLine] = deque(maxlen=KEPT)
        self._listeners: set[_Listener] = set()
        self._loop = asyncio.get_running_loop()

    def say(self, line: LogLine) -> None:
        """Tell everyone; from the event loop's thread."""
        self.kept.append(line)
        for listener in self._listeners:
            listener.put(line)

    def heard(self, at: Calling | None, record: logging.LogRecord) -> None:
        """Tell everyone of a record; `at` is the driver that logged it. From any thread."""
        line = LogLine(
            message=_text(record), severity=record.levelname, source="driver" if at else "system",
            driver=at.driver if at else None, operation=at.call if at else None,
            time=datetime.fromtimestamp(record.created, UTC),
        )  # fmt: skip
        self._loop.call_soon_threadsafe(self.say, line)

    async def lines(self, *, kept: bool = False) -> AsyncIterator[LogLine]:
        """Each line from now on, behind those that were `kept`. Never ends."""
        listener = _Listener(self.kept if kept else ())
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.discard(listener)


class _Listener:
    """One listener with its queue; what a slow one misses is counted and told."""

    def __init__(self, lines: object) -> None:
        self._queue: deque[LogLine] = deque(lines, maxlen=KEPT)  # type: ignore[call-overload]
        self._wake = asyncio.Event()
        self._missed = 0

    def put(self, line: LogLine) -> None:
        self._missed += len(self._queue) == KEPT
        self._queue.append(line)
        self._wake.set()

    async def get(self) -> LogLine:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return LogLine(message=f"{missed} lines were lost here: they came too fast", severity="WARNING")
        return self._queue.popleft()


def _text(record: logging.LogRecord) -> str:
    """The message, with what kind of error was raised; its traceback is for the exporter's own log."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1]:
        text += ": " + "".join(traceback.format_exception_only(record.exc_info[1])).strip()
    return text
