"""The runs of which each did a part of the same plan, and what the plan says there is to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import Event, read
from flowrunner.errors import PipelineError
from flowrunner.report.runs import JOURNAL
from flowrunner.report.verdict import job_of

ROOT = ""
"""What belongs to no job."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One run: its events, and when it started on the clock of its machine, in seconds."""

    folder: Path
    events: Sequence[Event]
    began: float

    @property
    def facts(self) -> Event:
        """The event with which it began."""
        return self.events[0]

    @property
    def ended(self) -> Event | None:
        """The event with which it ended; None when it was killed."""
        return self.events[-1] if self.events[-1]["event"] == "run.finished" else None

    @property
    def ending(self) -> bool:
        """Whether it did `rescue`, `finally` and `outputs` of the pipeline."""
        return "part" not in self.facts or bool(self.facts["part"]["ending"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there is to do: the number of instances of each job, None for one without a matrix; `nodes` by name.

    `ends` says whether the pipeline has `rescue`, `finally` or `outputs` of its own.
    """

    jobs: Mapping[str, int | None]
    nodes: Mapping[str, Mapping[str, Any]]
    ends: bool

    def units(self) -> list[str]:
        """The paths of all jobs and instances."""
        return [unit for job in self.jobs for unit in self.units_of(job)]

    def units_of(self, job: str) -> list[str]:
        """The paths of the instances of a job; its own when it has no matrix."""
        count = self.jobs[job]
        return [job] if count is None else [f"{job}[{index}]" for index in range(count)]


def unit_of(event: Event) -> str:
    """The job or instance that an event is about, as paths have it."""
    return job_of(str(event.get("path") or "")) or str(event.get("job") or ROOT)


def find_parts(places: Iterable[Path]) -> list[Part]:
    """The runs in or below `places`, the oldest first.

    Raises:
        PipelineError: they are of different plans.
    """
    journals = {path.resolve() for place in places for path in _journals(place)}
    several = [part for path in journals if (part := _part(path))]
    several.sort(key=lambda part: part.folder.name == part.facts["id"])  # a copy, such as one of `last`, may be mixed
    found = {part.facts["id"]: part for part in several}
    parts = sorted(found.values(), key=lambda part: (part.began, str(part.folder)))
    other = next((part for part in parts if part.facts["plan"] != parts[0].facts["plan"]), None)
    if other:
        what = f"{parts[0].folder} and {other.folder} are not parts of one run: their plans differ"
        advice = "the same file with the same inputs gives the same plan; see plan.json in both"
        raise PipelineError(what, code="other-plan", help=advice)
    return parts


def read_wanted(folder: Path) -> Wanted:
    """What the plan in the folder of a run has to do.

    Raises:
        PipelineError: there is no plan.
    """
    try:
        scope = json.loads((folder / "plan.json").read_text())["scope"]
    except (OSError, ValueError, KeyError) as error:
        what = f"{folder} has no plan that can be read"
        raise PipelineError(what, code="unknown-run", help="plan.json belongs to a run as its journal does") from error
    nodes = {str(job["path"]): job for job in scope.get("jobs", ())}
    counts = {name: len(job["matrix"]["instances"]) if job.get("matrix") else None for name, job in nodes.items()}
    return Wanted(counts, nodes, any(scope.get(key) for key in ("rescue", "finally", "outputs")))


def _journals(place: Path) -> Iterable[Path]:
    return (place / JOURNAL,) if (place / JOURNAL).is_file() else place.rglob(JOURNAL)


def _part(journal: Path) -> Part | None:
    events = read(journal)
    if not events or events[0]["event"] != "run.started":
        return None
    return Part(journal.parent, events, datetime.fromisoformat(str(events[0]["wall"])).timestamp())
