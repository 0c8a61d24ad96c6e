"""What of a journal still stands: a resumed run does some steps again, and what they said before is void."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from flowrunner.engine.lines import Event

_CUT = re.compile(r"[.\[#]")

_OF_STEPS = frozenset({
    "step.started", "step.finished", "attempt.started", "attempt.finished", "scope.started", "scope.finished", "match",
    "sent", "log", "output", "measurement", "artifact", "snapshot", "overrun", "cancel.delayed", "created", "removed",
})  # fmt: skip


def standing(events: Sequence[Event]) -> Sequence[Event]:
    """The events of a journal without those of steps that were done again, and of ends that were none."""
    resumed = [event["n"] for event in events if event["event"] == "run.resumed"]
    if not resumed:
        return events
    kept: list[Event] = []
    decided: dict[str, bool] = {}  # by path: whether what was said before stands, as later runners have it
    now: dict[str, bool] = {}
    for event in reversed(events):
        kind = event["event"]
        if kind == "run.resumed":
            decided = {**now, **decided}
            now = {}
        elif kind in ("run.finished", "cancel.requested") and event["n"] < resumed[-1]:
            continue
        elif kind == "step.restored":
            now[event["path"]] = True
        elif kind == "step.started" or (kind == "step.finished" and event["started"] is None):
            now.setdefault(event["path"], False)
        if kind not in _OF_STEPS or _stands(str(event["path"]), decided):
            kept.append(event)
    return kept[::-1]


def _stands(path: str, decided: dict[str, bool]) -> bool:
    return next((decided[above] for above in _above(path) if above in decided), True)


def _above(path: str) -> Iterator[str]:
    """The path and those above it, the nearest first."""
    yield path
    for cut in reversed([hit.start() for hit in _CUT.finditer(path)]):
        yield path[:cut]
