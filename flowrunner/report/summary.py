"""From events to a summary. Any prefix of a journal has one: what has no end ended where the journal stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import read
from flowrunner.engine.standing import standing
from flowrunner.report.model import (
    Case,
    Cause,
    ConsoleFacts,
    Counts,
    Ending,
    Extras,
    Lease,
    Record,
    SafeState,
    ScopePart,
    Summary,
)
from flowrunner.report.planned import Planned, read_plan
from flowrunner.report.rollouts import rollouts
from flowrunner.report.tree import Event, cases, cut_off, ending, records


def summarize_folder(folder: Path) -> Summary:
    """The summary of the run in `folder`.

    Raises:
        BenchError: there is no journal, or it cannot be read.
    """
    return summarize(read(folder / "journal.jsonl"), read_plan(folder))


def summarize(events: Sequence[Event], plan: Planned | None = None) -> Summary:
    """The summary of a run from its events, of which any first part is enough."""
    whole, events = events, standing(events)
    started = next((event for event in events if event["event"] == "run.started"), {})
    finished = next((event for event in reversed(events) if event["event"] == "run.finished"), None)
    top = records(events, plan or Planned())
    cause = _cause(finished) if finished else None
    end = _end(events, finished, cause)
    seconds = finished["seconds"] if finished else (events[-1]["t"] if events else 0.0)
    tried = _with_run(cases(top), end, cause, float(seconds))
    return Summary(
        facts={key: value for key, value in started.items() if key not in ("n", "t", "event", "crc")},
        ending=end, exit=finished.get("exit") if finished else None, seconds=float(seconds), cause=cause,
        complete=finished is not None, counts=_counts(tried, top), cases=tried, records=top, parts=_parts(events),
        leases=_leases(events), consoles=_consoles(events), safe_states=_safe_states(events),
        cancels=tuple(event for event in events if event["event"] == "cancel.requested"),
        outputs=next((event["values"] for event in reversed(events) if event["event"] == "outputs"), {}),
        rollouts=rollouts(whole),
    )  # fmt: skip


def _end(events: Sequence[Event], finished: Event | None, cause: Cause | None) -> Ending:
    if finished is None:
        return cut_off(events)
    return cause.ending if cause else ending(finished)


def _cause(finished: Event) -> Cause | None:
    cause = finished.get("cause")
    if not isinstance(cause, Mapping):
        return None
    return Cause(path=str(cause.get("path") or ""), ending=ending(cause, outcome=str(finished["outcome"])))


def _with_run(found: tuple[Case, ...], end: Ending, cause: Cause | None, seconds: float) -> tuple[Case, ...]:
    """A case for the run itself when it did not end well and no step says so: who reads only cases must see it."""
    if end.good or any(case.record.outcome == end.outcome for case in found):
        return found
    run = Record(
        path="run", key="run", id=None, name="run", action="run", kind=None, part="body", where=end.where, block=False,
        background=False, started=0.0, ended=seconds, ending=end, warning=False, parameters={}, device=None,
        outputs={}, offsets={}, attempts=(), children=(), extras=Extras(),
    )  # fmt: skip
    return (*found, Case(record=run))


def _counts(found: Sequence[Case], top: Sequence[Record]) -> Counts:
    outcomes = Counter(case.record.outcome for case in found)
    return Counts(
        total=len(found), warnings=sum(case.record.warning for case in found),
        retried=sum(len(record.attempts) > 1 for one in top for record in one.walk()),
        **{name: outcomes[name] for name in ("passed", "failed", "errored", "canceled", "skipped")},
    )  # fmt: skip


def _parts(events: Sequence[Event]) -> tuple[ScopePart, ...]:
    found: dict[tuple[str, Any], tuple[float, float]] = {}
    last = float(events[-1]["t"]) if events else 0.0
    for event in events:
        if event["event"] in ("scope.started", "scope.finished"):
            key = (str(event["path"]), event["part"])
            begun = found[key][0] if key in found else event["t"]
            found[key] = (begun, last if event["event"] == "scope.started" else event["t"])
    return tuple(
        ScopePart(path=path, part=part, started=started, ended=ended)
        for (path, part), (started, ended) in found.items()
    )


def _leases(events: Sequence[Event]) -> tuple[Lease, ...]:
    """Each lease of each role, job by job, in the order of the requests."""
    found: list[dict[str, Any]] = []
    latest: dict[tuple[str, str | None], dict[str, Any]] = {}
    for event in events:
        kind, _, what = str(event["event"]).partition(".")
        if kind != "lease":
            continue
        role, job, time = str(event["role"]), event.get("job"), event["t"]
        mine = latest.get((role, job))
        if what == "requested" or mine is None:
            mine = {"role": role, "job": job, "selector": event.get("selector"), "requested": time, "waits": ()}
            found.append(mine)
            latest[role, job] = mine
        if what == "waiting":
            mine["waits"] += ((time, str(event["owner"])),)
        elif what == "acquired":
            names = ("exporter", "labels", "parts")
            mine |= {name: event[name] for name in names} | {"name": event.get("lease"), "acquired": time}
        elif what == "released":
            mine |= {"released": time}
        elif what == "lost":
            mine |= {"lost": str(event["reason"])}
    empty: dict[str, Any] = {
        "exporter": None,
        "labels": {},
        "parts": {},
        "name": None,
        "acquired": None,
        "released": None,
        "lost": None,
    }
    return tuple(Lease(**{**empty, **lease}) for lease in found)


def _consoles(events: Sequence[Event]) -> tuple[ConsoleFacts, ...]:
    """Each console once: the same log is gone on with when a device is leased again."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "console.opened":
            name = str(event["console"])
            facts = {"name": name, "log": event["log"], "times": event["times"], "closed": None, "bytes": None}
            found[name] = {"opened": event["t"], **found.get(name, {}), **facts}
        elif event["event"] == "console.closed" and event["console"] in found:
            found[event["console"]] |= {"closed": event["t"], "bytes": event["bytes"]}
    return tuple(ConsoleFacts(**facts) for facts in found.values())


def _safe_states(events: Sequence[Event]) -> tuple[SafeState, ...]:
    found: list[SafeState] = []
    begun: dict[tuple[Any, ...], float] = {}
    for event in events:
        if not str(event["event"]).startswith("safe_state."):
            continue
        key = (event.get("job"), str(event["role"]), str(event["part"]), str(event["action"]))
        if event["event"] == "safe_state.started":
            begun[key] = event["t"]
            continue
        found.append(_safe_state(key, begun.pop(key, event["t"]), event))
    return (*found, *(_safe_state(key, started, None) for key, started in begun.items()))


def _safe_state(key: tuple[Any, ...], started: float, end: Event | None) -> SafeState:
    facts = {"ended": end["t"], "ok": bool(end["ok"]), "message": end.get("message")} if end else {}
    return SafeState(
        job=key[0],
        role=key[1],
        part=key[2],
        action=key[3],
        started=started,
        **{"ended": None, "ok": None, "message": None, **facts},
    )
