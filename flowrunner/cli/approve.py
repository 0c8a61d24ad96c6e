"""`flow approve`: let a rollout go on to a wave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.asking import somebody
from flowrunner.cli.common import RunName, RunsFolder, reporting
from flowrunner.engine.lines import read
from flowrunner.engine.rollout.approval import Asked, pending
from flowrunner.engine.rollout.approval import approve as say_yes
from flowrunner.errors import PipelineError, near
from flowrunner.report.runs import JOURNAL, resolve_run


def approve(
    run: RunName,
    wave: Annotated[str, typer.Argument(help="The wave, or JOB.WAVE when several jobs wait", show_default=False)],
    runs: RunsFolder = Path("runs"),
) -> None:
    """Say yes to a wave that a run waits with. It counts for the plan of this run and for no other."""
    with reporting():
        folder = resolve_run(run, runs)
        asked = _choose(pending(read(folder / JOURNAL)), wave, folder.name)
        say_yes(folder, asked, by=somebody())
    typer.echo(f"approved: wave '{asked.wave}' of {asked.job} in run {folder.name}, plan {asked.plan[:12]}")


def _choose(waiting: list[Asked], wave: str, run: str) -> Asked:
    found = [one for one in waiting if wave in (one.wave, f"{one.job}.{one.wave}")]
    if len(found) == 1:
        return found[0]
    names = [f"{one.job}.{one.wave}" if found else one.wave for one in waiting]
    if found:
        what = f"several jobs of run {run} wait with a wave '{wave}'"
    else:
        what = f"run {run} does not wait for approval of '{wave}'"
    raise PipelineError(what, code="no-approval", help=near(wave, names) if names else "it waits for none now")
