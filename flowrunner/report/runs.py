"""The runs of a folder: what there is, and which one is meant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.engine.folder import lives
from flowrunner.errors import PipelineError, near

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run. `outcome` is `running` while its runner lives, `unfinished` when that was killed."""

    id: str
    folder: Path
    pipeline: str
    outcome: str
    started: str
    seconds: float | None


def list_runs(runs: Path) -> Sequence[RunEntry]:
    """The runs below the folder `runs`, newest first; what is no run is left out."""
    folders = [path for path in runs.iterdir() if not path.is_symlink()] if runs.is_dir() else []
    found = [entry for path in folders if (entry := read_entry(path))]
    return sorted(found, key=lambda entry: (entry.started, entry.id), reverse=True)


def read_entry(folder: Path) -> RunEntry | None:
    """The run in `folder` from the first and the last line of its journal; None when there is none."""
    try:
        with (folder / JOURNAL).open("rb") as journal:
            first = _event(journal.readline())
            journal.seek(max(0, journal.seek(0, 2) - (1 << 16)))
            last = _last(journal.read())
    except OSError:
        return None
    if first is None or first.get("event") != "run.started":
        return None
    ended = last is not None and last.get("event") == "run.finished"
    outcome = str(last["outcome"]) if last and ended else "running" if lives(folder) else "unfinished"
    return RunEntry(
        id=str(first.get("id", folder.name)), folder=folder, pipeline=str(first.get("pipeline", "")), outcome=outcome,
        started=str(first.get("wall", "")), seconds=float(last["seconds"] if ended else last["t"]) if last else None,
    )  # fmt: skip


def resolve_run(text: str, runs: Path) -> Path:
    """The folder of the run that `text` names: a path, `last`, an id, or the beginning or end of one.

    Raises:
        PipelineError: there is no such run, or several.
    """
    path = Path(text)
    if (path / JOURNAL).is_file():
        return path
    if path.name in (JOURNAL, "report.html", "results.json", "junit.xml") and (path.parent / JOURNAL).is_file():
        return path.parent
    entries = list_runs(runs)
    if text == "last" and entries:
        return entries[0].folder
    same = [entry for entry in entries if entry.id == text]
    found = same or [entry for entry in entries if entry.id.startswith(text) or entry.id.endswith(text)]
    if len(found) == 1:
        return found[0].folder
    what = f"several runs match '{text}'" if found else f"no run '{text}' in {runs}"
    choices = [entry.id for entry in found or entries]
    raise PipelineError(what, code="unknown-run", help=near(text, choices) if choices else "flow run makes one")


def _last(tail: bytes) -> dict[str, Any] | None:
    """The last whole line of a journal, from its tail."""
    for line in reversed(tail.split(b"\n")):
        event = _event(line)
        if event is not None:
            return event
    return None


def _event(line: bytes) -> dict[str, Any] | None:
    """A line of a journal without the check of its sum: a torn one is no JSON, and a list needs no more."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event and "t" in event else None
