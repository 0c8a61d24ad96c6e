"""Options of `flow run` that choose a part of a pipeline's jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.ci.units import choose, read_shard, shards, units
from flowrunner.engine.chosen import Chosen
from flowrunner.engine.result import Result
from flowrunner.errors import PipelineError
from flowrunner.model import Outcome
from flowrunner.pipeline.bind import leased_together
from flowrunner.pipeline.plan import Plan
from flowrunner.pipeline.problems import Problems
from flowrunner.report.merge.join import HELP, LOST
from flowrunner.report.merge.known import known_results
from flowrunner.report.summary import summarize_folder
from flowrunner.report.text import plural

Jobs = Annotated[
    list[str] | None,
    typer.Option("--job", metavar="NAME", help="Run only this job, or with smoke[0] one instance; may be repeated"),
]
Ending = Annotated[bool, typer.Option("--ending", help="Run the pipeline's own rescue, finally and outputs")]
After = Annotated[
    list[Path] | None,
    typer.Option("--after", metavar="FOLDER", help="Runs of the other jobs are in or below it"),
]
Shard = Annotated[str | None, typer.Option("--shard", metavar="N/COUNT", help="Run only this share of the jobs")]
Durations = Annotated[
    Path | None, typer.Option("--durations", metavar="RUN", help="A run by which shards are balanced", exists=True)
]


def chosen(
    plan: Plan, jobs: Sequence[str], ending: bool, after: Sequence[Path], shard: str | None, durations: Path | None
) -> Chosen | None:
    """What is run of `plan`; None when that is all of it.

    Raises:
        PipelineError: the options do not go together, or do not go with the plan.
        Exit: the shard has nothing to do.
    """
    if shard is not None:
        if jobs or ending or after:
            what = "--shard chooses the jobs itself"
            raise PipelineError(what, code="usage", help="leave out --job, --ending and --after")
        return _of_shard(plan, shard, durations)
    if durations:
        raise PipelineError("--durations goes with --shard", code="usage")
    if not jobs and not ending:
        if after:
            raise PipelineError("--after goes with --job or --ending", code="usage", help="say what is to be run")
        return None
    if ending and not plan.scope.jobs:
        raise PipelineError("--ending is for pipelines with jobs", code="usage", help="leave it out")
    found = replace(choose(plan, jobs), ending=ending)
    known = {**_lost(plan, found), **known_results(after, plan)} if after else {}
    found = replace(found, known={name: result for name, result in known.items() if name not in found.jobs})
    found.check(plan.scope.jobs)
    return found


def needs_of(plan: Plan, part: Chosen | None) -> Plan:
    """`plan` with the leases of what is run here: the lab of this machine need not have the other jobs' devices."""
    if part is None:
        return plan
    known = {"inputs": plan.inputs, "env": os.environ}
    return replace(plan, leases=leased_together(Problems(), part.only(plan.scope), known))


def _lost(plan: Plan, found: Chosen) -> Mapping[str, Result]:
    """The end of each job whose run is needed, should there be none: something kept it from its work."""
    needed = {need for job in plan.scope.jobs if found.ending or job.id in found.jobs for need in job.needs}
    if found.ending:
        needed |= {str(job.id) for job in plan.scope.jobs}
    return {
        name: Result(outcome=Outcome.ERRORED, path=name, cause="cancel", blame="infra", message=LOST, help=HELP)
        for name in needed
    }


def _of_shard(plan: Plan, shard: str, durations: Path | None) -> Chosen | None:
    number, count = read_shard(shard)
    parts = units(plan)
    mine = shards(parts, count, _seconds(durations) if durations else {})[number - 1]
    if not mine:
        typer.echo(f"shard {shard} has nothing to do: the pipeline has {plural(len(parts), 'part')} that can run apart")
        raise typer.Exit(0)
    if len(mine) == len(parts):
        return None
    return choose(plan, [job for part in mine for job in part.jobs])


def _seconds(run: Path) -> dict[str, float]:
    """How long each job and instance took in a run."""
    jobs = summarize_folder(run).jobs
    records = [record for job in jobs for record in (job, *job.instances)]
    return {record.path: record.seconds for record in records if record.seconds is not None}
