"""`flow runs`: what ran here."""

from __future__ import annotations

from pathlib import Path

import typer

from flowrunner.cli.common import RunsFolder, columns
from flowrunner.model import Duration
from flowrunner.report.runs import list_runs


def runs(runs: RunsFolder = Path("runs")) -> None:
    """List the runs of a folder, newest first."""
    entries = list_runs(runs)
    if not entries:
        typer.echo(f"no runs in {runs}; flow run makes one", err=True)
        return
    rows = (
        (
            entry.id, entry.pipeline, entry.outcome, entry.started[:19].replace("T", " "),
            str(Duration(round(entry.seconds or 0, 1))),
        )
        for entry in entries
    )  # fmt: skip
    columns([("ID", "PIPELINE", "OUTCOME", "STARTED (UTC)", "TOOK"), *rows])
