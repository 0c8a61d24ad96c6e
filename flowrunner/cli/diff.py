"""`flow diff`: what is different between two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import EXIT_USAGE, RunsFolder, say
from flowrunner.errors import FlowrunnerError
from flowrunner.report.compare import compare
from flowrunner.report.compared import data, lines
from flowrunner.report.runs import resolve_run

NAMED = "its id, the beginning of it, its folder, or 'last'"


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN1", help=f"A run: {NAMED}", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="RUN2", help="The other one")] = "last",
    runs: RunsFolder = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show what is different between two runs: steps, times, measurements, consoles.

    Exit status as that of diff: 0 when the same happened, 1 when not, 2 when a run cannot be read. Times, and the
    numbers and addresses on consoles, are no difference.
    """
    try:
        found = compare(resolve_run(before, runs), resolve_run(after, runs))
    except FlowrunnerError as error:
        say(error)
        raise typer.Exit(EXIT_USAGE) from error
    if as_json:
        typer.echo(json.dumps(data(found), indent=1, ensure_ascii=False))
    else:
        for line in lines(found):
            typer.echo(line)
    raise typer.Exit(1 if found.different else 0)
