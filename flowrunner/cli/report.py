"""`flow report`: the reports of a run, again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import RunName, RunsFolder, reporting
from flowrunner.report.runs import resolve_run
from flowrunner.report.summary import summarize_folder
from flowrunner.report.verdict import cause_lines, count_words, headline
from flowrunner.report.writer import write_reports


def report(
    run: RunName = "last",
    runs: RunsFolder = Path("runs"),
    summary: Annotated[bool, typer.Option("--summary", help="Only print the summary")] = False,
) -> None:
    """Write the reports of a run again from its journal, and print its summary."""
    with reporting():
        folder = resolve_run(run, runs)
        facts = summarize_folder(folder)
        typer.echo(f"{headline(facts)}: {count_words(facts)}")
        for line in cause_lines(facts, folder):
            typer.echo(line)
        if not summary:
            for path in write_reports(folder):
                typer.echo(path, file=sys.stdout)
