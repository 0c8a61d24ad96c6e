"""`flow run --repeat`: a pipeline again and again."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from flowrunner.cli.telling import reported
from flowrunner.engine.run import Runner
from flowrunner.model import Outcome
from flowrunner.report.soak import Soak
from flowrunner.report.summary import summarize_folder


async def soak(
    runner: Callable[[], Runner], ready: Callable[[Runner], Awaitable[None]], runs: Path, *, most: int | None,
    until_failure: bool,
) -> int:  # fmt: skip
    """Run it `most` times, or for ever, a line for each; returns the exit status of all of them together.

    `ready` checks before each run that the lab has what it needs.
    """
    found = Soak()
    one = runner()
    record = runs / f"soak-{one.id}.json"
    for number in itertools.count(1):
        await ready(one)
        finished = await one.run()
        if unwritten := reported(finished.folder):
            typer.echo(unwritten, err=True)
        last = found.add(summarize_folder(finished.folder), finished.folder)
        typer.echo(f"{number:>6}  {last.outcome:<8}  {last.seconds:8.1f}s  {last.id}  {last.why or ''}".rstrip())
        found.write(record)
        if number == most or (finished.exit and (until_failure or finished.result.outcome is Outcome.CANCELED)):
            break
        one = runner()
    for line in found.lines():
        typer.echo(line)
    typer.echo(f"all of it in {record}")
    return found.exit
