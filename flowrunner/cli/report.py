"""`flow report`: the reports of a run, again; and those of several runs that did parts of one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flowrunner.cli.common import EXIT_ERRORED, RunName, RunsFolder, columns, reporting
from flowrunner.cli.telling import CiOption, tell_about
from flowrunner.engine.result import EXIT
from flowrunner.model import Outcome
from flowrunner.report.display import closing_lines
from flowrunner.report.merge.write import merge as merge_runs
from flowrunner.report.runs import resolve_run
from flowrunner.report.summary import summarize_folder
from flowrunner.report.tell.markdown import markdown as as_markdown
from flowrunner.report.tell.surroundings import System, surroundings
from flowrunner.report.verdict import cause_lines, count_words, headline
from flowrunner.report.writer import write_reports


class _Commands(TyperGroup):
    """`flow report RUN` is `flow report show RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, *ctx.help_option_names)
        return super().parse_args(ctx, args if args[:1] and args[0] in known else ["show", *args])


report = typer.Typer(cls=_Commands, help="Write the reports of a run again, or print its summary; join runs of parts")


@report.command()
def show(
    run: RunName = "last",
    runs: RunsFolder = Path("runs"),
    summary: Annotated[bool, typer.Option("--summary", help="Only print the summary")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Only print the summary, in Markdown")] = False,
) -> None:
    """Write the reports of a run again from its journal, and print its summary."""
    with reporting():
        folder = resolve_run(run, runs)
        facts = summarize_folder(folder)
        if markdown:
            typer.echo(as_markdown(facts, folder))
            return
        typer.echo(f"{headline(facts)}: {count_words(facts)}")
        for line in cause_lines(facts, folder):
            typer.echo(line)
        if not summary:
            for path in write_reports(folder):
                typer.echo(path, file=sys.stdout)


@report.command()
def merge(
    places: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs", exists=True, show_default=False)],
    runs: RunsFolder = Path("runs"),
    ci: CiOption = System.AUTO,
) -> None:
    """Join runs that did parts of one pipeline into one run, with its reports.

    Of a job that ran more than once the newest run counts; one of which there is no run is errored. Exit status: that
    of the whole, as 'flow run' has it.
    """
    with reporting():
        folder, lost = merge_runs(places, runs)
    facts = summarize_folder(folder)
    typer.echo(f"{facts.facts.get('pipeline', 'run')}: {headline(facts)}")
    for line in closing_lines(facts, folder):
        typer.echo(line)
    if lost:
        columns(("lost", f"{job}: there is no run of it") for job in lost)
    unwritten = tell_about(folder, surroundings(ci, os.environ))
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(EXIT[Outcome(facts.outcome)] or (EXIT_ERRORED if unwritten else 0))
