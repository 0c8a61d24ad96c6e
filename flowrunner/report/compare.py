"""What is different between two runs; what differs from run to run anyway is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import Record, Summary
from flowrunner.report.summary import summarize_folder
from flowrunner.report.text import plain

SLOWER = 0.2
"""A time is worth a line when it changed by more than this part of it, and by more than `NOTABLE` seconds."""

NOTABLE = 0.25

LINES = 20_000
"""Lines of a console that are compared, its first ones."""

CONTEXT = 3

_VARIES = re.compile(
    r"0x[0-9a-fA-F]+"  # addresses
    r"|\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b"  # MAC addresses
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # UUIDs
    r"|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}\b"  # addresses and digests without 0x
    r"|\d+(?:[.:,]\d+)*"  # numbers, times, dates, IP addresses
)
_STAMP = re.compile(r"^\[\s*\d+\.\d+\]\s*")


@dataclass(frozen=True, slots=True)
class StepChange:
    """A step that ended in another way; None where it was not part of the run."""

    path: str
    before: str | None
    after: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Number:
    """A time or a measurement that changed; `verdicts` are those of a measurement."""

    name: str
    before: float
    after: float
    unit: str
    verdicts: tuple[str, str] | None = None

    @property
    def percent(self) -> float | None:
        """By how much it changed; None from zero."""
        return (self.after / self.before - 1) * 100 if self.before else None


@dataclass(frozen=True, slots=True)
class ConsoleChange:
    """A console that printed something else: the lines of a unified diff, or None where it was there once only."""

    name: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs side by side. `facts` are those of the runs that differ: pipeline, plan, inputs, exporters."""

    before: Summary
    after: Summary
    facts: Mapping[str, tuple[Any, Any]]
    steps: Sequence[StepChange]
    times: Sequence[Number]
    measurements: Sequence[Number]
    consoles: Sequence[ConsoleChange]

    @property
    def different(self) -> bool:
        """Whether the runs differ in what happened; how long it took, and by what numbers it passed, may vary."""
        verdicts = any(one.verdicts and one.verdicts[0] != one.verdicts[1] for one in self.measurements)
        return bool(self.steps or self.consoles or verdicts or self.before.outcome != self.after.outcome)


def compare(before: Path, after: Path) -> Comparison:
    """Compare the runs in two folders.

    Raises:
        BenchError: one of them is no run.
    """
    one, other = summarize_folder(before), summarize_folder(after)
    steps = {case.record.key: case.record for case in one.cases}, {case.record.key: case.record for case in other.cases}
    return Comparison(
        before=one, after=other, facts=_facts(one, other), steps=list(_steps(*steps)), times=list(_times(*steps)),
        measurements=list(_measurements(one, other)), consoles=list(_consoles(before, one, after, other)),
    )  # fmt: skip


def unvarying(line: str) -> str:
    """A line of a console without what is another in each run: time stamps, numbers, addresses, digests."""
    return _VARIES.sub("#", _STAMP.sub("", line)).strip()


def _facts(one: Summary, other: Summary) -> dict[str, tuple[Any, Any]]:
    def known(summary: Summary) -> dict[str, Any]:
        facts = {name: summary.facts.get(name) for name in ("pipeline", "plan", "version", "partial")}
        facts["replay of"] = dict(summary.facts.get("replay") or {}).get("run")
        inputs = {f"input {name}": value for name, value in dict(summary.facts.get("inputs") or {}).items()}
        return {**facts, **inputs, **{f"device {lease.label}": lease.exporter for lease in summary.leases}}

    left, right = known(one), known(other)
    return {n: (left.get(n), right.get(n)) for n in {**left, **right} if left.get(n) != right.get(n)}


def _steps(before: Mapping[str, Record], after: Mapping[str, Record]) -> Iterator[StepChange]:
    for path in {**before, **after}:
        one, other = before.get(path), after.get(path)
        outcomes = _outcome(one), _outcome(other)
        if outcomes[0] != outcomes[1]:
            worse = next((r for r in (other, one) if r and not r.ending.good), None)
            yield StepChange(path, outcomes[0], outcomes[1], worse.ending.message if worse else None)


def _outcome(record: Record | None) -> str | None:
    if record is None:
        return None
    return f"{record.outcome} (warning)" if record.warning else record.outcome


def _times(before: Mapping[str, Record], after: Mapping[str, Record]) -> Iterator[Number]:
    for path in before.keys() & after.keys():
        one, other = before[path].seconds, after[path].seconds
        if one is not None and other is not None and abs(other - one) > max(NOTABLE, SLOWER * one):
            yield Number(path, one, other, "s")


def _measurements(one: Summary, other: Summary) -> Iterator[Number]:
    left, right = _measured(one), _measured(other)
    for key, before in left.items():
        after = right.get(key)
        if after and all(isinstance(each["value"], int | float) for each in (before, after)):
            verdicts = str(before["verdict"]), str(after["verdict"])
            if before["value"] != after["value"] or verdicts[0] != verdicts[1]:
                yield Number(key, before["value"], after["value"], str(after.get("unit") or ""), verdicts)


def _measured(summary: Summary) -> dict[str, Mapping[str, Any]]:
    return {
        f"{record.key}: {one['name']}" if count else str(one["name"]): one
        for record in summary.walk()
        for count, one in enumerate(record.extras.measurements)
    }


def _consoles(before: Path, one: Summary, after: Path, other: Summary) -> Iterator[ConsoleChange]:
    left = {facts.name: ConsoleFile(before, facts) for facts in one.consoles}
    right = {facts.name: ConsoleFile(after, facts) for facts in other.consoles}
    for name in {**left, **right}:
        lines = list(unified(_lines(left.get(name)), _lines(right.get(name))))
        if lines:
            yield ConsoleChange(name, lines)


def _lines(console: ConsoleFile | None) -> list[str]:
    return plain(bytes(console.data[: LINES * 400])).splitlines()[:LINES] if console else []


def unified(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The lines of a unified diff of two texts, compared without what varies and shown as they are."""
    keys = [unvarying(line) for line in before], [unvarying(line) for line in after]
    matcher = SequenceMatcher(None, *keys, autojunk=False)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        a, b = group[0][1], group[0][3]
        if all(tag == "equal" for tag, *_ in group):
            continue
        yield f"@@ -{a + 1},{group[-1][2] - a} +{b + 1},{group[-1][4] - b} @@"
        for tag, start, end, other_start, other_end in group:
            if tag == "equal":
                yield from (f" {line}" for line in after[other_start:other_end])
                continue
            yield from (f"-{line}" for line in before[start:end])
            yield from (f"+{line}" for line in after[other_start:other_end])
