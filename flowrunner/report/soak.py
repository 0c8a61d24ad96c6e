"""The same pipeline again and again: how often it passed, how long it took, what went wrong first."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowrunner.engine.result import EXIT
from flowrunner.model import Outcome
from flowrunner.report.compare import unvarying
from flowrunner.report.model import Summary
from flowrunner.report.text import one_line, seconds
from flowrunner.report.verdict import headline

KEPT = 3
"""Runs of each kind of failure that stay whole; of later ones, and of all but one that passed, the journal stays."""

THIN = ("journal.jsonl", "plan.json", "results.json", "junit.xml", "run.lock")
"""What stays of a run that is thinned out."""

PERCENTILES = {"p50": 0.5, "p95": 0.95, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Iteration:
    """One of the runs. `why` is outcome, step and message of a failure."""

    id: str
    outcome: str
    seconds: float
    why: str | None
    measurements: Mapping[str, tuple[float, str]]

    @property
    def kind(self) -> str:
        """What runs that ended alike have in common."""
        return unvarying(self.why or self.outcome)


@dataclass(slots=True)
class Soak:
    """What is known so far of many runs."""

    iterations: list[Iteration] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)

    def add(self, summary: Summary, folder: Path) -> Iteration:
        """Count a run, and thin its folder out when enough runs like it are kept."""
        found = Iteration(
            str(summary.facts.get("id", folder.name)),
            summary.outcome,
            summary.seconds,
            _why(summary),
            _measured(summary),
        )
        self.iterations.append(found)
        kind = found.kind
        self._seen[kind] += 1
        if self._seen[kind] > (KEPT if found.why else 1):
            thin(folder)
        return found

    @property
    def exit(self) -> int:
        """The exit status: that the product failed once is what matters most, then that the lab had trouble."""
        outcomes = {one.outcome for one in self.iterations}
        for outcome in (Outcome.FAILED, Outcome.ERRORED, Outcome.CANCELED):
            if outcome.value in outcomes:
                return EXIT[outcome]
        return 0

    def facts(self) -> dict[str, Any]:
        """All of it as plain data; times in seconds."""
        outcomes = Counter(one.outcome for one in self.iterations)
        judged = outcomes["passed"] + outcomes["failed"]
        return {
            "version": 1,
            "runs": [{"id": one.id, "outcome": one.outcome, "seconds": one.seconds} for one in self.iterations],
            "outcomes": dict(outcomes),
            "pass_rate": outcomes["passed"] / judged if judged else None,
            "seconds": spread([one.seconds for one in self.iterations if one.outcome == "passed"]),
            "measurements": {name: {**spread(values), "unit": unit} for (name, unit), values in self._values().items()},
            "failures": self._failures(),
        }

    def lines(self) -> Iterator[str]:
        """What is said at the end."""
        facts = self.facts()
        counts = ", ".join(f"{count} {outcome}" for outcome, count in facts["outcomes"].items())
        rate = "" if facts["pass_rate"] is None else f"; pass rate {facts['pass_rate']:.1%}"
        if facts["outcomes"].keys() & {"errored", "canceled"} and rate:
            rate += ", without those that were errored or canceled"
        yield f"{len(self.iterations)} runs: {counts}{rate}"
        if facts["seconds"]:
            yield "took      " + "  ".join(f"{name} {seconds(value)}" for name, value in facts["seconds"].items())
        for name, found in facts["measurements"].items():
            numbers = "  ".join(f"{key} {found[key]:.6g}" for key in PERCENTILES)
            yield f"measured  {name}: {numbers} {found['unit']}".rstrip()
        for failure in facts["failures"]:
            yield f"{failure['count']:>4} x  {failure['why']}"
            yield f"        see {', '.join(failure['runs'])}"

    def write(self, path: Path) -> None:
        """Write the facts as JSON."""
        path.write_text(json.dumps(self.facts(), indent=1) + "\n")

    def _failures(self) -> list[dict[str, Any]]:
        alike = defaultdict[str, list[Iteration]](list)
        for one in self.iterations:
            if one.why:
                alike[one.kind].append(one)
        ranked = sorted(alike.values(), key=len, reverse=True)
        return [{"why": same[0].why, "count": len(same), "runs": [one.id for one in same[:KEPT]]} for same in ranked]

    def _values(self) -> dict[tuple[str, str], list[float]]:
        found = defaultdict[tuple[str, str], list[float]](list)
        for one in self.iterations:
            for name, (value, unit) in one.measurements.items():
                found[name, unit].append(value)
        return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """The percentiles by nearest rank; nothing when there are no values."""
    ranked = sorted(values)
    ranks = {name: max(0, math.ceil(part * len(ranked)) - 1) for name, part in PERCENTILES.items()}
    return {name: ranked[rank] for name, rank in ranks.items()} if ranked else {}


def thin(folder: Path) -> None:
    """Leave of a run what statistics need; its journal can still make a report, without consoles and pictures."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in THIN:
            path.unlink(missing_ok=True)


def _why(summary: Summary) -> str | None:
    if summary.outcome in ("passed", "skipped"):
        return None
    path = f" at {summary.cause.path}" if summary.cause and summary.cause.path else ""
    return f"{headline(summary)}{path}: {one_line(summary.ending.message or summary.ending.note or '', 160)}"


def _measured(summary: Summary) -> dict[str, tuple[float, str]]:
    return {
        str(one["name"]): (float(one["value"]), str(one.get("unit") or ""))
        for record in summary.walk()
        for one in record.extras.measurements
        if isinstance(one.get("value"), int | float)
    }
