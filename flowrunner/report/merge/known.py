"""How jobs ended in other runs, as the engine wants to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowrunner.engine.result import Result
from flowrunner.errors import PipelineError
from flowrunner.model import Duration, Outcome, Size, Type, Version
from flowrunner.pipeline.outputs import type_of_value
from flowrunner.pipeline.plan import Job, Plan
from flowrunner.report.merge.join import ended_jobs
from flowrunner.report.merge.parts import find_parts, read_wanted
from flowrunner.report.tree import span

MAKE: Mapping[Type, type] = {"duration": Duration, "size": Size, "version": Version}
"""Types whose values a journal has as plain numbers and text."""


def known_results(places: Iterable[Path], plan: Plan) -> dict[str, Result]:
    """How the jobs of `plan` ended of which there is a run in or below `places`.

    Raises:
        PipelineError: one is of another plan.
    """
    parts = find_parts(places)
    if not parts:
        return {}
    if parts[0].facts["plan"] != plan.digest:
        what = f"{parts[0].folder} is not a run of this plan: the file or an input changed"
        raise PipelineError(what, code="other-plan", help="give both runs the same file and the same --input")
    ended = ended_jobs(parts, read_wanted(parts[0].folder))
    return {str(job.id): _result(job, ended[str(job.id)]) for job in plan.scope.jobs if job.id in ended}


def _result(job: Job, event: Mapping[str, Any]) -> Result:
    facts: dict[str, Any] = {
        name: event.get(name) for name in ("cause", "blame", "message", "help", "said", "console", "offset")
    }
    path = event.get("because") if event["outcome"] in ("failed", "errored", "canceled") else None
    return Result(
        outcome=Outcome(event["outcome"]), path=str(path or event["path"]), where=span(event.get("where")),
        outputs=_outputs(job, event.get("outputs") or {}), **facts,
    )  # fmt: skip


def _outputs(job: Job, values: Mapping[str, Any]) -> dict[str, Any]:
    makers = {name: MAKE.get(type_of_value(value)) for name, value in job.scope.outputs.items()}
    return {name: _typed(makers.get(name), value, several=job.matrix is not None) for name, value in values.items()}


def _typed(make: type | None, value: Any, *, several: bool) -> Any:
    if several and isinstance(value, list):
        return [_typed(make, item, several=False) for item in value]
    return value if make is None or value is None else make(value)
