"""Two runs side by side, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowrunner.report.compare import Comparison, Number
from flowrunner.report.model import Summary
from flowrunner.report.text import one_line, seconds
from flowrunner.report.verdict import headline


def lines(found: Comparison) -> Iterator[str]:
    """What `flow diff` prints."""
    yield f"--- {_run(found.before)}"
    yield f"+++ {_run(found.after)}"
    for name, (before, after) in found.facts.items():
        yield f"{name}: {_brief(before)} -> {_brief(after)}"
    if found.steps:
        yield "\nsteps"
    for change in found.steps:
        message = f"   {one_line(change.message, 160)}" if change.message else ""
        yield f"  {change.path}: {change.before or 'not there'} -> {change.after or 'not there'}{message}"
    if found.times:
        yield "\ntimes"
    for time in sorted(found.times, key=lambda one: -abs(one.after - one.before)):
        yield f"  {time.name}: {seconds(time.before)} -> {seconds(time.after)}{_percent(time)}"
    if found.measurements:
        yield "\nmeasurements"
    for one in found.measurements:
        verdicts = f"   {one.verdicts[0]} -> {one.verdicts[1]}" if one.verdicts and len(set(one.verdicts)) > 1 else ""
        yield f"  {one.name}: {one.before:.6g} -> {one.after:.6g} {one.unit}{_percent(one)}{verdicts}"
    for console in found.consoles:
        yield f"\nconsole {console.name}"
        yield from console.lines
    if not found.different:
        yield "\nno difference but in times, numbers and addresses"


def data(found: Comparison) -> dict[str, Any]:
    """What `flow diff --json` prints, version 1."""
    return {
        "version": 1,
        "different": found.different,
        "before": _facts(found.before),
        "after": _facts(found.after),
        "facts": {name: {"before": one, "after": other} for name, (one, other) in found.facts.items()},
        "steps": [
            {"path": one.path, "before": one.before, "after": one.after, "message": one.message} for one in found.steps
        ],
        "times": [{"path": one.name, "before": one.before, "after": one.after} for one in found.times],
        "measurements": [
            {
                "name": one.name, "before": one.before, "after": one.after, "unit": one.unit,
                "verdicts": list(one.verdicts or ()),
            }
            for one in found.measurements
        ],
        "consoles": [{"name": one.name, "diff": list(one.lines)} for one in found.consoles],
    }  # fmt: skip


def _facts(summary: Summary) -> dict[str, Any]:
    return {"id": summary.facts.get("id"), "outcome": summary.outcome, "seconds": summary.seconds}


def _run(summary: Summary) -> str:
    facts = summary.facts
    return f"{facts.get('id')}  {facts.get('pipeline')}: {headline(summary)} in {seconds(summary.seconds)}"


def _brief(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}..." if " " not in text else f"{text[:57]}..."


def _percent(number: Number) -> str:
    return "" if number.percent is None else f"  ({number.percent:+.0f} %)"
