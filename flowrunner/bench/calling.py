"""Which driver is at work: so that what it logs, or a library below it, can be told from all else that is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

OnLog = Callable[["Calling", logging.LogRecord], None]
"""Told of each record that is logged on behalf of a driver, from whatever thread it is logged in."""


@dataclass(frozen=True, slots=True)
class Calling:
    """What a driver is busy with: `driver` is its path on the bench, `call` what was asked of it.

    What it does in the background goes on under the call in which that began, `open` for most.
    """

    driver: str
    type: str
    call: str
    on_log: OnLog | None = None


CALLING: ContextVar[Calling | None] = ContextVar("calling", default=None)
"""What the driver of this task is busy with; None outside of drivers."""


@contextmanager
def calling(now: Calling) -> Iterator[None]:
    """A driver works inside; tasks and threads (`asyncio.to_thread`) that it starts there count as its own."""
    token = CALLING.set(now)
    try:
        yield
    finally:
        CALLING.reset(token)


class _Collector(logging.Handler):
    """Gives each record to whoever listens to the driver that it comes from."""

    users = 0
    level_before = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        now = CALLING.get()
        if now and now.on_log:
            try:
                now.on_log(now, record)
            except Exception:  # noqa: BLE001 - as all handlers do: to log must not break who logs
                self.handleError(record)
        elif logging.getLogger().handlers == [self] and (last := logging.lastResort) and record.levelno >= last.level:
            last.handle(record)  # Python prints what nobody handles, and we handle it only in name


_collector = _Collector()


@contextmanager
def collecting() -> Iterator[None]:
    """Records of drivers, from `INFO` on, reach their listeners while this lasts."""
    root = logging.getLogger()
    if not _collector.users:
        _collector.level_before = root.level
        root.setLevel(min(root.level or logging.WARNING, logging.INFO))
        root.addHandler(_collector)
    _collector.users += 1
    try:
        yield
    finally:
        _collector.users -= 1
        if not _collector.users:
            root.removeHandler(_collector)
            root.setLevel(_collector.level_before)
