"""What is going on right now, from live events: what both displays of the terminal need to know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.report.words import role_of

Event = Mapping[str, Any]

TAIL = 4096
"""Bytes of a console that are kept for the display."""

_COUNTED = ("passed", "failed", "errored", "canceled", "skipped")


@dataclass(slots=True)
class Moving:
    """How far a step is; `rate` is in units a second over the last seconds."""

    done: float
    total: float | None
    unit: str
    rate: float = 0.0
    _since: tuple[float, float] = (0.0, 0.0)

    def advance(self, time: float, done: float, total: float | None) -> None:
        """Take in a sign of progress; the rate follows with a delay of a second or so."""
        then, before = self._since
        if done < self.done:
            self._since, self.rate = (time, done), 0.0
        elif time - then >= 0.5:
            now = (done - before) / (time - then)
            self.rate = now if not self.rate else 0.6 * self.rate + 0.4 * now
            self._since = (time, done)
        self.done, self.total = done, total

    @property
    def left(self) -> float | None:
        """Seconds until it is done, at this rate."""
        return (self.total - self.done) / self.rate if self.total and self.rate > 0 else None


@dataclass(slots=True)
class Running:
    """A step or block under way."""

    path: str
    name: str
    action: str
    block: bool
    started: float
    attempt: int = 1
    moving: Moving | None = None


@dataclass(slots=True)
class Follow:
    """Takes in events one by one."""

    running: dict[str, Running] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    consoles: dict[str, bytes] = field(default_factory=dict)
    console: str | None = None
    outcomes: dict[str, str] = field(default_factory=dict)
    time: float = 0.0

    def take(self, event: Event) -> None:
        """Bring the picture up to date."""
        kind = event["event"]
        self.time = max(self.time, float(event["t"]))
        handler = _HANDLERS.get(kind)
        if handler:
            handler(self, event)

    def _console_data(self, event: Event) -> None:
        name, data = event["console"], bytes(event["data"])
        self.console = name
        self.consoles[name] = (self.consoles.get(name, b"") + data[-TAIL:])[-TAIL:]

    def _progress(self, event: Event) -> None:
        step = self.running.get(event["path"])
        if step:
            time, done, total = float(event["t"]), float(event["done"]), event.get("total")
            if step.moving is None or step.moving.unit != event["unit"]:
                step.moving = Moving(done, total, event["unit"], _since=(time, done))
            step.moving.advance(time, done, total)

    def _started(self, event: Event) -> None:
        path = event["path"]
        self.running[path] = Running(
            path, str(event["name"]), str(event["action"]), bool(event["block"]), float(event["t"])
        )

    def _attempt(self, event: Event) -> None:
        if step := self.running.get(event["path"]):
            step.attempt, step.moving = int(event["attempt"]), None

    def _finished(self, event: Event) -> None:
        step = self.running.pop(event["path"], None)
        key = re.sub(r"#\d+", "", event["path"])
        if not (step and step.block) and f"{key}[0]" not in self.outcomes:
            self.outcomes[key] = event["outcome"]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many steps ended how so far; of several attempts the last one counts."""
        found = Counter(self.outcomes.values())
        return {name: found[name] for name in _COUNTED if found[name]}

    def _waiting(self, event: Event) -> None:
        place = f", number {event['position']} in the queue" if event.get("position") else ""
        self.waiting[role_of(event)] = f"waiting for {event['owner']}{place}"

    def _got(self, event: Event) -> None:
        self.waiting.pop(role_of(event), None)

    def _ended(self, event: Event) -> None:
        self.waiting.clear()


_HANDLERS: Mapping[str, Callable[[Follow, Event], None]] = {
    "console.data": Follow._console_data,
    "progress": Follow._progress,
    "step.started": Follow._started,
    "attempt.started": Follow._attempt,
    "step.finished": Follow._finished,
    "lease.waiting": Follow._waiting,
    "lease.acquired": Follow._got,
    "run.finished": Follow._ended,
}


def depth(path: str) -> int:
    """How deep in the tree a path is, from 0."""
    return len(re.findall(r"[.\[]", re.sub(r"(^|\.)(rescue|finally|between)\.", r"\1", path)))
