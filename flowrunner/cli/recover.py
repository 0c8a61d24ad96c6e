"""`flow recover`: clean up behind a run that was killed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import typer

from flowrunner.cli.common import EXIT_ERRORED, Exporters, LabOption, RunName, RunsFolder, reporting
from flowrunner.engine.lines import read
from flowrunner.engine.recover import recover as recover_run
from flowrunner.lab.discover import discover
from flowrunner.report.runs import resolve_run
from flowrunner.report.writer import write_reports


def recover(
    run: RunName = "last", runs: RunsFolder = Path("runs"), lab: LabOption = None, exporter: Exporters = None
) -> None:
    """Clean up behind a run that was killed: processes, files, devices; then write its reports."""
    with reporting():
        folder = resolve_run(run, runs)
        facts = read(folder / "journal.jsonl")[0]
        named = lab or (str(facts["lab"]) if facts.get("lab") and not exporter else None)
        bench = discover(Path(facts["file"]), lab=named, exporters=exporter or (), environment=os.environ)
        recovery = anyio.run(recover_run, folder, bench)
    for line in recovery.done:
        typer.echo(line)
    for line in recovery.failed:
        typer.echo(f"not done: {line}", err=True)
    write_reports(folder)
    if recovery.failed:
        raise typer.Exit(EXIT_ERRORED)
    typer.echo(f"{folder.name} is cleaned up" if recovery.done else f"{folder.name} left nothing behind")
