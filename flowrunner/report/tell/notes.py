"""What went wrong, step by step, each with the line of the file that says what was wanted."""

from __future__ import annotations

import hashlib
import json
import os.path
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flowrunner.errors import Span
from flowrunner.report.diagnostics import escaped
from flowrunner.report.model import Case, Summary
from flowrunner.report.tell.surroundings import SERVERS, System, detect
from flowrunner.report.text import one_line

MOST = 10
"""Annotations that GitHub shows of one step."""


@dataclass(frozen=True, slots=True)
class Note:
    """One step that did not do what it should. `where` is its place in the pipeline, as far as that is known."""

    path: str
    level: Literal["error", "warning"]
    outcome: str
    message: str
    where: Span | None


def notes(summary: Summary) -> list[Note]:
    """A note for each step that failed or errored; what the run ended with comes first."""
    found = [_note(case) for case in summary.cases if case.record.outcome in ("failed", "errored")]
    cause = summary.cause.path if summary.cause else None
    return sorted(found, key=lambda note: (note.level, note.path != cause))


def _note(case: Case) -> Note:
    record, end = case.record, case.record.ending
    why = end.message or end.note or end.because or end.outcome
    blame = f" ({end.blame})" if end.blame else ""
    text = f"{record.path} {end.outcome}{blame}: {one_line(why, 500)}"
    mild = record.warning or record.part == "rescue"
    return Note(record.key, "warning" if mild else "error", end.outcome, text, end.where or record.where)


def github_lines(summary: Summary, environment: Mapping[str, str]) -> Iterator[str]:
    """Workflow commands of GitHub Actions."""
    for note in notes(summary)[:MOST]:
        title, place = escaped(f"{summary.facts.get('pipeline', 'run')} {note.outcome}", all=True), ""
        if note.where:
            file = escaped(_relative(note.where.file, environment), all=True)
            place = f" file={file},line={note.where.line},col={note.where.column},"
        yield f"::{note.level} {place.strip()}title={title}::{escaped(note.message)}"


def code_quality(summary: Summary, environment: Mapping[str, str]) -> str:
    """GitLab's Code Quality report. A fingerprint stays when lines move, so that what is new can be told."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for note in notes(summary):
        file = _relative(note.where.file if note.where else str(summary.facts.get("file", "")), environment)
        seen[file, note.path] += 1
        fingerprint = repr((file, note.path, note.outcome, seen[file, note.path]))
        found.append({
            "description": note.message, "check_name": f"flow-{note.outcome}",
            "fingerprint": hashlib.sha256(fingerprint.encode()).hexdigest(),
            "severity": "minor" if note.level == "warning" else "major",
            "location": {"path": file, "lines": {"begin": note.where.line if note.where else 1}},
        })  # fmt: skip
    return json.dumps(found, indent=1) + "\n"


def _relative(file: str, environment: Mapping[str, str]) -> str:
    """The file as the system's checkout has it."""
    root = environment.get(SERVERS.get(detect(environment), ""), "")
    path = Path(file).absolute()
    inside = System.NONE if not root else path.is_relative_to(root)
    return os.path.relpath(path, root) if inside is True else file
