"""Jobs: each starts when those that it needs have ended, beside all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from flowrunner.engine.halt import Halt
from flowrunner.engine.names import Frame, resolve
from flowrunner.engine.record import begin, finish, restore, skip, tolerated
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.rollout.story import run_rollout
from flowrunner.engine.rollout.turns import Tried
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import FlowrunnerError, PipelineError
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Job, Matrix

Work = Callable[[Run, Site, Job], Awaitable[tuple[Result, int]]]
"""Does a job, or one instance of it; gives the result and the number of attempts."""

Needs = Mapping[str, Mapping[str, Any]]
"""What expressions see of jobs that ended: outcome and outputs."""

WORST = (Outcome.FAILED, Outcome.ERRORED, Outcome.CANCELED, Outcome.PASSED, Outcome.SKIPPED)
"""Outcomes in the order in which they decide about what is above: that the product failed is what matters most."""


async def run_jobs(run: Run, site: Site, jobs: Sequence[Job], path: str, tried: Tried) -> tuple[Result, Needs]:
    """Run `jobs`; returns the result of all of them together, and what is known of each.

    The outcome is a function of the jobs' outcomes, in whatever order they ended. Those that ended elsewhere count only
    where the whole pipeline comes to its end.
    """
    run.journal.write("scope.started", path=path, part="body")
    ended = {job.id: asyncio.Event() for job in jobs}
    results: dict[str, Result] = {}
    views: dict[str, dict[str, Any]] = {}
    chosen = run.options.chosen

    def ends(job: Job, result: Result) -> None:
        results[str(job.id)] = result
        views[str(job.id)] = {"outcome": result.outcome.value}
        if result.outcome is Outcome.PASSED or job.matrix or job.rollout:
            views[str(job.id)]["outputs"] = dict(result.outputs)
        ended[job.id].set()

    async def one(job: Job) -> None:
        for need in job.needs:
            await ended[need].wait()
        known = {need: views[need] for need in job.needs}
        needed = {need: results[need] for need in job.needs}
        here = replace(site, frame=Frame(site.frame.fixed, local={**site.frame.local, "needs": known}))
        ends(job, await _run_job(run, here, job, needed, tried))

    mine = []
    for job in jobs:
        elsewhere = chosen.elsewhere(job) if chosen else None
        if elsewhere is None:
            mine.append(job)
        else:
            ends(job, elsewhere)
    async with asyncio.TaskGroup() as tasks:
        for job in mine:
            tasks.create_task(one(job))
    counting = jobs if chosen is None or chosen.ending else mine
    own = {str(job.id): job for job in counting}
    counted = [result for name, result in results.items() if name in own and not tolerated(own[name], result)]
    first = worst(counted)
    if first.good and site.halt.reason:
        first = site.halt.reason
    first = replace(first, outputs={})
    run.journal.write("scope.finished", path=path, part="body", outcome=first.outcome.value)
    return first, views


def worst(results: Sequence[Result]) -> Result:
    """The first of those whose outcome decides."""
    return min(results, key=lambda result: WORST.index(result.outcome), default=PASSED)


async def _run_job(run: Run, site: Site, job: Job, needs: Mapping[str, Result], tried: Tried) -> Result:
    """One job, from its condition to its final record."""
    reason = _reason_to_skip(run, site, job, needs)
    if reason is None:
        try:
            holds = _holds(job, site)
        except FlowrunnerError as error:
            started = begin(run, site, job)
            return finish(run, site, job, of_error(error, kind="test", path=job.path, where=job.where), started=started)
        if not holds:
            because = f"if at {job.condition.where}" if job.condition else None
            reason = Result(outcome=Outcome.SKIPPED, cause="condition", because=because)
    if reason is not None:
        skip(run, site, job, reason)
        return replace(reason, path=site.path(job))
    if kept := restore(run, site, job, site.path(job)):
        return kept
    if job.matrix:
        started = begin(run, site, job)
        return finish(run, site, job, await _all_instances(run, site, job, job.matrix, tried), started=started)
    if job.rollout:
        return await _recorded(run, site, job, lambda run, site, job: run_rollout(run, site, job, tried))
    return await _recorded(run.inside(str(job.id)), site, job, tried)


def _reason_to_skip(run: Run, site: Site, job: Job, needs: Mapping[str, Result]) -> Result | None:
    if site.halt.reason:
        why = site.halt.reason.message or "it was canceled"
        return Result(outcome=Outcome.SKIPPED, cause="cancel", because=why)
    if site.limit and site.limit.expired:
        return Result(outcome=Outcome.SKIPPED, cause="timeout", because=site.limit.what)
    left_out = run.options.left_out
    if str(job.id) in left_out:
        return Result(outcome=Outcome.SKIPPED, cause="condition", because=left_out[str(job.id)])
    asks = job.condition is not None and any(name.split(".")[0] == "needs" for name, _ in job.condition.references)
    wanted = {name: result for name, result in needs.items() if name not in left_out}
    missing = next((name for name, result in wanted.items() if result.outcome is not Outcome.PASSED), None)
    if missing is None or asks:
        return None
    return Result(outcome=Outcome.SKIPPED, cause="dependency", because=missing)


def _holds(job: Job, site: Site) -> bool:
    if job.condition is None:
        return True
    value = job.condition.evaluate(site.frame.names())
    if isinstance(value, bool):
        return value
    what, advice = f"if needs true or false, got {value!r}", "compare it: ${{ ... == ... }}"
    raise PipelineError(what, code="not-boolean", where=job.condition.where, help=advice)


async def _recorded(run: Run, site: Site, job: Job, work: Work) -> Result:
    """Do a job without a matrix, or one instance of one, when it is its turn, and record how it ended."""
    if kept := restore(run, site, job, site.path(job)):
        return kept
    async with AsyncExitStack() as stack:
        try:
            group = resolve(job.group, site.frame)
        except FlowrunnerError as error:
            started = begin(run, site, job)
            result = of_error(error, kind="test", path=site.path(job), where=job.where)
            return finish(run, site, job, result, started=started)
        if group is not None and not await _has_turn(run, site, job, str(group), stack):
            result = Result(outcome=Outcome.SKIPPED, cause="cancel", because=f"canceled while '{group}' was at work")
            skip(run, site, job, result)
            return replace(result, path=site.path(job))
        started = begin(run, site, job)
        result, attempts = await work(run, site, job)
        return finish(run, site, job, result, started=started, attempts=attempts)


async def _has_turn(run: Run, site: Site, job: Job, group: str, stack: AsyncExitStack) -> bool:
    """Wait for the turn of `job`, which lasts as long as `stack`; gives False when asked to stop before."""
    getting = asyncio.ensure_future(stack.enter_async_context(run.turn(group, site.path(job))))
    asked = asyncio.get_running_loop().create_future()
    unsubscribe = site.halt.subscribe(lambda _: asked.cancel())
    try:
        await asyncio.wait((getting, asked), return_when=asyncio.FIRST_COMPLETED)
    finally:
        unsubscribe()
        if not getting.done():
            getting.cancel()
            await asyncio.wait((getting,))
    if getting.cancelled():
        return False
    getting.result()
    return True


async def _all_instances(run: Run, site: Site, job: Job, matrix: Matrix, tried: Tried) -> Result:
    """Do a job once for each combination; its outputs are lists in the order of their declaration."""
    path, halt = site.path(job), Halt(site.halt)
    free = asyncio.Semaphore(matrix.max_parallel or len(matrix.instances) or 1)
    results: list[Result | None] = [None] * len(matrix.instances)

    async def one(index: int, values: Mapping[str, Any]) -> None:
        frame = site.frame.inner(apart=True, matrix=dict(values))
        here = replace(site, frame=frame, plan=job.path, instance=f"{path}[{index}]", halt=halt)
        shown = ", ".join(str(value) for value in values.values())
        instance = replace(job, id=None, name=f"{job.name} ({shown})")
        async with free:
            if halt.reason:
                why = halt.reason.path or halt.reason.message
                result = Result(outcome=Outcome.SKIPPED, path=here.instance, cause="cancel", because=why)
                skip(run, here, instance, result)
            else:
                result = await _recorded(run.inside(here.instance), here, instance, tried)
        results[index] = result
        if not result.good and matrix.fail_fast:
            halt.request(Result(outcome=Outcome.CANCELED, path=result.path, cause="cancel", because=result.path))

    chosen = run.options.chosen
    indexes = chosen.instances(job, matrix) if chosen else range(len(matrix.instances))
    async with asyncio.TaskGroup() as tasks:
        for index in indexes:
            tasks.create_task(one(index, matrix.instances[index]))
    halt.detach()
    done = [result for result in results if result is not None]
    return replace(
        worst(done), outputs=lists(job.scope.outputs, [result.outputs if result else None for result in results])
    )


def lists(names: Iterable[str], outputs: Sequence[Mapping[str, Any] | None]) -> dict[str, list[Any]]:
    """Each output as a list in the order of the instances; None for an instance that has none."""
    return {name: [(one or {}).get(name) for one in outputs] for name in names}
