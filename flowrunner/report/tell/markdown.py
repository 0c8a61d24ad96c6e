"""A run in Markdown, for the summary page of a CI system or a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flowrunner.report.model import Record, Summary
from flowrunner.report.tell.notes import notes
from flowrunner.report.text import one_line, seconds
from flowrunner.report.verdict import attribution, cause_lines, count_words, headline
from flowrunner.report.words import because

MOST = 50
"""Rows of a table; a run may have thousands of steps, and a summary page holds 1 MiB."""

MARKS = {"passed": "✅", "failed": "❌", "errored": "⚠️", "canceled": "⏹️", "skipped": "⏭️"}


def markdown(summary: Summary, folder: Path) -> str:
    """The run as people want to see it in a browser, device text made harmless."""
    name = str(summary.facts.get("pipeline", "run"))
    lines = [f"### {MARKS.get(summary.outcome, '')} {text(name)}: {text(headline(summary))}", ""]
    if attribution(summary):
        lines += [f"{text(attribution(summary))}.", ""]
    cause = list(cause_lines(summary, folder))
    if cause:
        lines += ["```text", *(line.replace("```", "'''") for line in cause), "```", ""]
    lines += [f"{count_words(summary)}, in {seconds(summary.seconds)}", ""]
    for table in (_jobs(summary), _notes(summary), _measurements(summary)):
        lines += [*table, ""] if table else []
    return "\n".join(lines)


def text(value: object) -> str:
    """`value` as text that Markdown and HTML leave alone."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!$@&])", lambda hit: f"&#{ord(hit[1])};", one_line(str(value), 300))


def _table(head: Iterable[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    head = tuple(head)
    more = [f"\nand {len(rows) - MOST} more"] if len(rows) > MOST else []
    return [_row(head), _row("---" for _ in head), *(_row(row) for row in rows[:MOST]), *more]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _jobs(summary: Summary) -> list[str]:
    records = [record for job in summary.jobs for record in (job.instances or (job,))]
    return _table(("job", "outcome", "took", ""), [_job(record) for record in records])


def _job(record: Record) -> tuple[str, ...]:
    took = seconds(record.seconds) if record.started is not None else ""
    end = record.ending
    why = "" if end.good and end.outcome != "skipped" else end.message or because(end.because)
    name = record.name if record.path.startswith(record.name.partition(" ")[0]) else f"{record.path}: {record.name}"
    return text(name), f"{MARKS.get(record.outcome, '')} {record.outcome}", took, text(why)


def _notes(summary: Summary) -> list[str]:
    rows = [(text(note.where.short) if note.where else "", text(note.message)) for note in notes(summary)]
    return _table(("place", "what went wrong"), rows)


def _measurements(summary: Summary) -> list[str]:
    return _table(("measurement", "value", "verdict"), list(_measured(summary)))


def _measured(summary: Summary) -> Iterator[tuple[str, ...]]:
    for record in summary.walk():
        for event in record.extras.measurements:
            value = f"{event['value']:.6g}" if isinstance(event["value"], float) else event["value"]
            yield text(event["name"]), text(f"{value} {event.get('unit') or ''}".strip()), text(event["verdict"])
