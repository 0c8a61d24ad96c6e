"""The events of one run, from those of the runs that did its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrunner.engine.jobs import WORST, lists
from flowrunner.engine.lines import Event
from flowrunner.engine.result import EXIT
from flowrunner.model import Outcome
from flowrunner.report.merge.parts import ROOT, Part, Wanted, unit_of
from flowrunner.report.tree import cut_off
from flowrunner.report.verdict import job_of

LOST = "no run of this job was found"
HELP = "its CI job was not started, was killed, or could not save its run: read its log"
FACTS = ("outcome", "cause", "blame", "message", "help", "said", "where", "because", "console", "offset")


@dataclass(frozen=True, slots=True)
class Joined:
    """The events of the whole, those that each part gave to it, by how many seconds it began later than the first.

    `lost` are the jobs and instances of which there is no run.
    """

    events: Sequence[dict[str, Any]]
    kept: Mapping[Part, Sequence[Event]]
    shifts: Mapping[Part, float]
    lost: Sequence[str]


@dataclass(slots=True)
class _Join:
    """`owner` is the newest run that did a job or instance: what an earlier one did was not the last word."""

    parts: Sequence[Part]
    wanted: Wanted
    owner: dict[str, Part] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for part in self.parts:
            self.owner |= dict.fromkeys({unit_of(event) for event in part.events}, part)
        ending = [part for part in self.parts if part.ending]
        self.owner[ROOT] = ending[-1] if ending else self.parts[-1]

    def shift(self, part: Part) -> float:
        return part.began - min(part.began for part in set(self.owner.values()))


def join(parts: Sequence[Part], wanted: Wanted) -> Joined:
    """Join `parts`, the oldest first. A job that several did is what the newest made of it."""
    whole = _Join(parts, wanted)
    if not wanted.jobs:
        newest = parts[-1]
        return Joined([_plain(event) for event in newest.events], {newest: newest.events}, {newest: 0.0}, ())
    known = [part for part in parts if part in whole.owner.values()]
    kept = {part: list(_kept(whole, part)) for part in known}
    shifts = {part: whole.shift(part) for part in known}
    whole.events = [_plain(event, shifts[part]) for part, events in kept.items() for event in events]
    whole.events.sort(key=lambda event: event["t"])
    last = whole.events[-1]["t"] if whole.events else 0.0
    lost = _complete(whole, last)
    jobs = [_job(whole, name, last) for name in wanted.jobs]
    begun, ended = _frame(whole, jobs, last, known)
    return Joined([*begun, *whole.events, *ended], kept, shifts, lost)


def ended_jobs(parts: Sequence[Part], wanted: Wanted) -> dict[str, Mapping[str, Any]]:
    """How each job ended, as the event says that would be in the journal of one run; nothing of jobs never seen."""
    events = join(parts, wanted).events
    seen = {unit_of(event) for part in parts for event in part.events}
    found = {event["path"]: event for event in events if event["event"] == "step.finished"}
    return {job: found[job] for job in wanted.jobs if job in found and seen & {job, *wanted.units_of(job)}}


def _kept(whole: _Join, part: Part) -> Iterator[Event]:
    """The events of a part about jobs of which it has the last word, and about the run when it ended that."""
    matrices = {name for name, count in whole.wanted.jobs.items() if count is not None}
    units = set(whole.wanted.units()) | set(whole.wanted.jobs)
    for event in part.events:
        unit = unit_of(event)
        if unit in matrices and any(one in whole.owner for one in whole.wanted.units_of(unit)):
            continue  # the job as a whole: made anew from all of its instances
        mine = whole.owner.get(unit) is part if unit in units else part.ending and whole.owner[ROOT] is part
        about_run = event["event"] in ("run.started", "run.finished") or (
            event["event"].startswith("scope.") and (event["path"], event["part"]) == (ROOT, "body")
        )
        if (mine or event["event"] == "cancel.requested") and not about_run:
            yield event


def _plain(event: Event, shift: float = 0.0) -> dict[str, Any]:
    """The event without its number and sum, `shift` seconds later."""
    found = {key: value for key, value in event.items() if key not in ("n", "crc")}
    for key in ("t", "started", "ended"):
        if isinstance(found.get(key), int | float) and not isinstance(found[key], bool):
            found[key] = round(found[key] + shift, 6)
    return found


def _complete(whole: _Join, last: float) -> list[str]:
    """Give an end to each job and instance that has none; returns those of which there is no trace."""
    ended = {event["path"] for event in whole.events if event["event"] == "step.finished"}
    lost = []
    for name in whole.wanted.jobs:
        if name in ended:
            continue  # skipped as a whole
        for unit in whole.wanted.units_of(name):
            if unit in ended:
                continue
            if unit in whole.owner:
                end = cut_off(whole.owner[unit].events)
                facts = {key: getattr(end, key) for key in ("outcome", "cause", "blame")} | {"message": end.note}
            else:
                lost.append(unit)
                whole.events.append(_started(whole, unit, last, block=False))
                facts = {"outcome": "errored", "cause": "cancel", "blame": "infra", "message": LOST, "help": HELP}
            begun = next((e["t"] for e in whole.events if e["event"] == "step.started" and e["path"] == unit), None)
            warned = whole.wanted.nodes[name].get("severity") == "warning"
            whole.events.append(_finished(unit, last, facts, started=begun, warning=warned))
    return lost


def _started(whole: _Join, path: str, t: float, *, block: bool = True) -> dict[str, Any]:
    """The begin of a job; one of which nothing is known is like a step, so that it is counted."""
    node = whole.wanted.nodes[path.partition("[")[0]]
    return {
        "t": t, "event": "step.started", "path": path, "id": node["id"], "name": node["name"], "action": "job",
        "kind": None, "where": node["where"], "consoles": {}, "block": block, "background": False,
    }  # fmt: skip


def _finished(path: str, t: float, facts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    common = {"attempts": 1, "outputs": {}, "warning": False, "started": None, "ended": t}
    head = {"t": t, "event": "step.finished", "path": path}
    return {**head, **dict.fromkeys(FACTS), **facts, **common, **more}


def _job(whole: _Join, name: str, last: float) -> dict[str, Any]:
    """The end of a job; that of one with a matrix is put together from its instances."""
    ends = {event["path"]: event for event in whole.events if event["event"] == "step.finished"}
    if name in ends:
        return ends[name]
    mine = [ends[unit] for unit in whole.wanted.units_of(name)]
    node = whole.wanted.nodes[name]
    worst = min(mine, key=_rank)
    begun = min((event["started"] for event in mine if event["started"] is not None), default=None)
    ended = max((event["ended"] or 0.0 for event in mine), default=last)
    outputs = lists(node["scope"].get("outputs", {}), [event["outputs"] for event in mine])
    facts = {key: worst.get(key) for key in FACTS} | {"because": worst.get("because") or worst["path"]}
    warned = node.get("severity") == "warning" and worst["outcome"] in ("failed", "errored")
    end = _finished(name, ended, facts, started=begun, outputs=outputs, warning=warned)
    first = next((n for n, event in enumerate(whole.events) if unit_of(event).startswith(f"{name}[")), 0)
    whole.events.insert(first, _started(whole, name, begun or 0.0))
    whole.events.append(end)
    return end


def _holds(whole: _Join, ending: Part) -> bool:
    """Whether what the end of the pipeline said still holds: no job was done anew since, or it was not about a job."""
    cause = (ending.ended or {}).get("cause") or {}
    about_job = job_of(str(cause.get("path") or "")) in {*whole.wanted.jobs, *whole.wanted.units()}
    newest = max(part.began for part in whole.owner.values())
    return ending.began >= newest or bool(cause and not about_job)


def _worst(ends: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return min(ends, key=lambda event: (_rank(event), event["ended"] or 0.0))


def _rank(event: Mapping[str, Any]) -> int:
    return WORST.index(Outcome(event["outcome"]))


def _frame(
    whole: _Join, jobs: Sequence[Mapping[str, Any]], last: float, known: Sequence[Part]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What stands before and behind the events of the jobs."""
    started = _plain(min(known, key=lambda part: part.began).facts)
    started.pop("part", None)
    merged = [part.facts["id"] for part in known]
    begun = [{**started, "merged": merged}, {"t": 0.0, "event": "scope.started", "path": ROOT, "part": "body"}]
    outcome, cause = _outcome(whole, jobs)
    at = max((job["ended"] or 0.0 for job in jobs), default=last)
    body = {"t": at, "event": "scope.finished", "path": ROOT, "part": "body", "outcome": outcome}
    end = {"t": last, "event": "run.finished", "outcome": outcome, "exit": EXIT[Outcome(outcome)], "seconds": last}
    return begun, [body, {**end, "cause": cause}]


def _outcome(whole: _Join, jobs: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Any] | None]:
    """How the whole ended, and why: as the run said that did the end of the pipeline, else as the jobs ended."""
    ending = whole.owner[ROOT] if whole.wanted.ends and whole.owner[ROOT].ending else None
    if ending and ending.ended and _holds(whole, ending):
        return str(ending.ended["outcome"]), ending.ended.get("cause")
    counted = [job for job in jobs if not job["warning"]]
    if whole.wanted.ends and not (ending and ending.ended):
        missing = {"message": "no run of the end of the pipeline was found", "help": HELP, "blame": "infra"}
        counted.append(_finished(ROOT, float("inf"), {"outcome": "errored", "cause": "cancel", **missing}))
    worst = _worst(counted) if counted else None
    if worst is None or worst["outcome"] in ("passed", "skipped"):
        return "passed", None
    facts = {key: worst.get(key) for key in FACTS} | {"because": None}
    return str(worst["outcome"]), {"path": worst.get("because") or worst["path"], **facts}
