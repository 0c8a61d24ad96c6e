"""The verdict of a run in words: who is at fault, where, and what was last seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowrunner.engine.state import console_prefix
from flowrunner.report.consolefile import ConsoleFile
from flowrunner.report.model import DEVICES, Record, Summary
from flowrunner.report.rollouts import words
from flowrunner.report.text import one_line, plain, seconds
from flowrunner.report.words import because

BLAMES = {
    "device": "a device did not do as asked",
    "infra": "something around the device failed",
    "config": "the pipeline or the lab is set up wrongly",
    "internal": "an action or flow itself broke",
    "lost": "a device was lost during the run",
    "peer": "another part of the run had ended",
}
"""What each blame means."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The console at the moment at which a record ended: `line` counts from 1 in the log file."""

    console: ConsoleFile
    start: int
    end: int
    line: int
    last: str


def headline(summary: Summary) -> str:
    """The verdict with its attribution in a few words; that of a replay, or of a part, says so."""
    replay, partial = summary.facts.get("replay"), summary.facts.get("partial")
    words = [f"in a replay of {replay.get('run')}"] if isinstance(replay, Mapping) else []
    words += [f"with {partial}"] if partial else []
    return ", ".join((_verdict(summary), *words))


def _verdict(summary: Summary) -> str:
    if summary.outcome == "errored":
        blame = summary.ending.blame
        return (
            f"lab errored: {blame}" if blame not in ("config", "internal", None) else f"errored: {blame or 'unknown'}"
        )
    if summary.outcome == "failed":
        return "product failed"
    return {"passed": "passed", "canceled": "canceled", "skipped": "skipped"}.get(summary.outcome, summary.outcome)


def attribution(summary: Summary) -> str:
    """One sentence about whose fault it is; empty when it is nobody's."""
    if summary.outcome == "failed":
        return "the bench did its part; the product did not do what was expected of it"
    if summary.outcome == "errored":
        return BLAMES.get(summary.ending.blame or "", "") + "; this says nothing about the product"
    return ""


def culprit(summary: Summary) -> Record | None:
    """The record that the outcome goes back to."""
    wanted = summary.cause.path if summary.cause else None
    if wanted is None and not summary.complete:
        return next((case.record for case in summary.cases if case.record.ending.note), None)
    return summary.find(wanted) if wanted else None


def scene(summary: Summary, record: Record, consoles: dict[str, ConsoleFile]) -> Scene | None:
    """What the step's console showed when it ended; None when it has none, it was silent, or a screen counts."""
    if record.extras.snapshots:
        return None
    console = consoles.get(console_of(record, tuple(consoles)) or "")
    if console is None or record.ended is None or not len(console):
        return None
    end = console.end_at(record.ended) if record.ending.offset is None else record.ending.offset + 1
    start = min(record.offsets.get(console.name, 0), end)
    last = next((text for text in reversed(plain(console.before(end, 5)).splitlines()) if text.strip()), "")
    return Scene(console, start, end, console.line_at(max(end - 1, 0)), last)


def console_of(record: Record, known: tuple[str, ...]) -> str | None:
    """The console that a step looked at: the one it names, matched on or wrote to, else the only one of its device."""
    named = [record.ending.console, *(e.get("console") for e in (*record.extras.matches, *record.extras.sent))]
    for name in named:
        if name in known:
            return str(name)
    if record.device is None and record.action != "background":
        return None
    role = (record.device or "").partition(".")[0]
    of_job, of_run = (
        [name for name in known if f"{name}.".startswith(f"{prefix}{role}.")]
        for prefix in (console_prefix(job_of(record.path)), "")
    )
    mine = of_job or of_run
    return mine[0] if len(mine) == 1 else record.device if record.device in known else None


def cause_lines(summary: Summary, folder: Path) -> Iterator[str]:
    """The cause of a run that did not pass, as the compiler's errors look: place, outcome, what, and what was seen."""
    if summary.ending.good:
        return
    end, record = summary.ending, culprit(summary)
    where = end.where or (record.where if record else None)
    place = f"{where}: " if where else ""
    blame = f" ({end.blame})" if end.blame else ""
    yield f"{place}{end.outcome}{blame}: {one_line(end.message or end.because or 'no cause was recorded', 500)}"
    consoles = {facts.name: ConsoleFile(folder, facts) for facts in summary.consoles}
    seen = scene(summary, record, consoles) if record else None
    if seen and record:
        after = _after_power(summary, record)
        last = f'; last line "{one_line(seen.last, 120)}"' if seen.last else ""
        yield f"      console {seen.console.name}{after}{last}"
        yield f"      full log {folder / seen.console.log}:{seen.line}"
    elif end.said:
        yield from (f"      | {line}" for line in plain(end.said).splitlines()[-8:])
    if end.help:
        yield f"      help: {one_line(end.help, 500)}"


def _after_power(summary: Summary, record: Record) -> str:
    """How long after the last power step the record ended: boards are timed from there."""
    powers = [
        one for one in summary.walk() if one.action == "power" and one.ended is not None and one.started is not None
    ]
    before = [one for one in powers if record.started is not None and (one.ended or 0) <= record.started + 1e-6]
    if not before or record.ended is None:
        return ""
    power = before[-1]
    place = f" ({power.where.short})" if power.where else ""
    return f", {seconds(record.ended - (power.ended or 0))} after {power.label}{place}"


def count_words(summary: Summary) -> str:
    """`12 steps: 9 passed, 1 failed, 2 skipped`."""
    counts = summary.counts
    named = [(name, getattr(counts, name)) for name in ("passed", "failed", "errored", "canceled", "skipped")]
    parts = [f"{count} {name}" for name, count in named if count]
    if counts.warnings:
        parts.append(f"{counts.warnings} of them only a warning")
    if counts.retried:
        parts.append(f"{counts.retried} retried")
    noun = "step"
    if summary.rollouts:
        noun = "device" if all(case.record.action in DEVICES for case in summary.cases) else "step or device"
    steps = f"1 {noun}" if counts.total == 1 else f"{counts.total} {noun.replace(' or ', 's or ')}s"
    return f"{steps}: {', '.join(parts)}" if parts else steps


def job_of(path: str) -> str:
    """The part of a path that names a job, if it is one: `smoke[0]` of `smoke[0].boot.power1`."""
    return path.partition("#")[0].partition(".")[0]


def job_lines(summary: Summary) -> Iterator[str]:
    """One line for each job: its outcome, how its instances ended, why it was skipped, how long it took."""
    width = max((len(job.path) for job in summary.jobs), default=0)
    for rollout in summary.rollouts:
        yield from words(rollout)
    for job in summary.jobs:
        ends = Counter(one.outcome for one in job.instances)
        several = ", ".join(f"{count} {outcome}" for outcome, count in ends.items())
        why = because(job.ending.because) if job.outcome in ("skipped", "canceled") else several
        took = seconds(job.seconds) if job.started is not None else ""
        yield f"  {job.outcome:<8}  {job.path:<{width}}  {took:>7}  {one_line(why, 100)}".rstrip()
