"""The tree of a run's records, from its flat events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from flowrunner.errors import Span
from flowrunner.report.model import DEVICES, Attempt, Case, Ending, Extras, Part, Record
from flowrunner.report.planned import Planned

Event = Mapping[str, Any]

ENDED_HERE = "the journal just stops: the runner was killed, or its machine went down"

_ATTEMPT = re.compile(r"#\d+")
_PART = re.compile(r"(?:^|\.)(rescue|finally|between)\.[^.]+$")
_CUT = re.compile(r"[.\[#]")
_KINDS = {
    "match": "matches", "sent": "sent", "log": "logs", "output": "output", "measurement": "measurements",
    "artifact": "artifacts", "snapshot": "snapshots", "overrun": "others", "cancel.delayed": "others",
    "created": "others",
}  # fmt: skip


def span(where: Any) -> Span | None:
    """A place as the journal has it."""
    if not isinstance(where, Mapping) or "line" not in where:
        return None
    line, column = int(where["line"]), int(where.get("column", 1))
    end = int(where.get("end_line", line)), int(where.get("end_column", column + 1))
    return Span(str(where.get("file", "")), line, column, *end)


def ending(event: Event, **changes: Any) -> Ending:
    """How something ended, from the event that says so."""
    names = ("cause", "blame", "message", "help", "said", "because", "console", "offset")
    facts = {name: event.get(name) for name in names} | {"outcome": str(event.get("outcome", "errored"))}
    return Ending(**{**facts, "where": span(event.get("where")), **changes})


def cut_off(events: Sequence[Event]) -> Ending:
    """The end of what was under way when the journal stops."""
    canceled = any(event["event"] == "cancel.requested" for event in events)
    if canceled:
        return Ending(outcome="canceled", cause="cancel", message="the run ended here", note=ENDED_HERE)
    return Ending(outcome="errored", cause="cancel", blame="infra", message="the run ended here", note=ENDED_HERE)


def records(events: Sequence[Event], plan: Planned) -> tuple[Record, ...]:
    """The top of the tree; each record appears once, below the scope or attempt in which it ran."""
    return _Index(events, plan).below("", 0)


def cases(top: Iterable[Record]) -> tuple[Case, ...]:
    """One case for each step: of the same step in several attempts of a block, the last record counts.

    What would have run between two attempts, and did not, is no case.
    """
    by_key: dict[str, list[Record]] = defaultdict(list)
    for record in _leaves(top):
        if record.part != "between" or record.outcome != "skipped":
            by_key[record.key].append(record)
    return tuple(Case(record=same[-1], earlier=tuple(same[:-1])) for same in by_key.values())


def _leaves(found: Iterable[Record]) -> Iterator[Record]:
    for record in found:
        if record.leaf:
            yield record
        if record.action in DEVICES:
            continue
        for attempt in record.attempts:
            yield from _leaves(attempt.children)
        if not record.leaf:
            yield from _leaves(record.children)


class _Index:
    """Events by path, and what is below what."""

    def __init__(self, events: Sequence[Event], plan: Planned) -> None:
        self._plan = plan
        self._end = cut_off(events)
        self._last = float(events[-1]["t"]) if events else 0.0
        self._started: dict[str, Event] = {}
        self._finished: dict[str, Event] = {}
        self._paths: dict[str, None] = {}
        self._attempts: dict[str, list[tuple[Event, Event | None]]] = defaultdict(list)
        self._extras: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
        for event in events:
            self._add(event)
        self._below: dict[tuple[str, int], list[str]] = defaultdict(list)
        for path in self._paths:
            self._below[self._above(path)].append(path)

    def _add(self, event: Event) -> None:
        kind, path = event["event"], str(event.get("path", ""))
        if kind in ("step.started", "step.finished"):
            (self._started if kind == "step.started" else self._finished)[path] = event
            self._paths[path] = None
        elif kind == "attempt.started":
            self._attempts[path].append((event, None))
        elif kind == "attempt.finished" and self._attempts[path]:
            self._attempts[path][-1] = (self._attempts[path][-1][0], event)
        elif kind in _KINDS:
            self._extras[path][_KINDS[kind]].append(event)

    def _above(self, path: str) -> tuple[str, int]:
        """The record that `path` is below, and in which attempt of it; the run itself is the empty path."""
        for cut in reversed([hit.start() for hit in _CUT.finditer(path)]):
            above = path[:cut]
            block, _, attempt = above.rpartition("#")
            if attempt.isdigit() and block in self._paths:
                return block, int(attempt)
            if above in self._paths:
                return above, 0
        return "", 0

    def below(self, path: str, attempt: int) -> tuple[Record, ...]:
        return tuple(self._record(child) for child in self._below.get((path, attempt), ()))

    def _record(self, path: str) -> Record:
        node, started = self._plan.node(path), self._started.get(path, {})
        finished = self._finished.get(path)
        facts = {**node, **started}
        name = facts.get("name") or path.rpartition(".")[2]
        began = started.get("t") if finished is None else finished.get("started", started.get("t"))
        return Record(
            path=path, key=_ATTEMPT.sub("", path), id=facts.get("id"), name=str(name),
            action=str(facts.get("action") or "step"), kind=facts.get("kind"), part=_part(path),
            where=span((finished or {}).get("where") or facts.get("where")) if not started else span(started["where"]),
            block=bool(started.get("block", "scope" in node)), background=bool(started.get("background")),
            started=began, ended=finished.get("ended", finished["t"]) if finished else self._last,
            ending=ending(finished) if finished else self._end, warning=bool((finished or {}).get("warning")),
            parameters=self._plan.parameters(path), device=node.get("device"),
            outputs=_mapping((finished or {}).get("outputs")), offsets=_mapping(started.get("consoles")),
            attempts=self._tries(path), children=self.below(path, 0), extras=self._extra(path),
        )  # fmt: skip

    def _tries(self, path: str) -> tuple[Attempt, ...]:
        return tuple(
            Attempt(
                number=int(began["attempt"]), started=began["t"],
                ending=ending(ended) if ended else self._finished_attempt(path),
                ended=ended["t"] if ended else self._last, pause=ended.get("pause") if ended else None,
                children=self.below(path, int(began["attempt"])),
            )
            for began, ended in self._attempts.get(path, ())
        )  # fmt: skip

    def _finished_attempt(self, path: str) -> Ending:
        finished = self._finished.get(path)
        return ending(finished) if finished else self._end

    def _extra(self, path: str) -> Extras:
        found = self._extras.get(path, {})
        return Extras(**{name: tuple(events) for name, events in found.items()})


def _part(path: str) -> Part:
    """The part of its scope that a step belongs to: paths name all but the body."""
    found = _PART.search(path)
    return cast("Part", found[1]) if found else "body"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
