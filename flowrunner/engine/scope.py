"""A scope: its devices, its body, and what comes after the body whatever happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import anyio

from flowrunner.engine.attempt import attempt_step
from flowrunner.engine.background import start
from flowrunner.engine.branches import run_branches, wait_at
from flowrunner.engine.call import called
from flowrunner.engine.devices import with_devices
from flowrunner.engine.halt import Halt, Limit
from flowrunner.engine.held import Held
from flowrunner.engine.jobs import run_jobs
from flowrunner.engine.kept import Beside
from flowrunner.engine.names import Frame, resolve, seconds
from flowrunner.engine.record import begin, finish, restore, skip, tolerated
from flowrunner.engine.repeat import attempts, foreach, limited
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import FINALLY, Run
from flowrunner.engine.watch import watching
from flowrunner.errors import ExpectationError, FlowrunnerError, PipelineError, Span
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import Background, Barrier, Block, Call, DeviceRequest, Node, Scope, StepNode, within
from flowrunner.pipeline.select import address

Part = Literal["body", "rescue", "finally", "between"]


async def run_scope(run: Run, site: Site, scope: Scope, path: str) -> Result:
    """Run `scope`: lease, body, rescue, finally, safe state, release. Returns its first cause."""
    if not scope.devices:
        return await _run_parts(run, site, scope, path)

    began = False

    async def work(held: Mapping[str, Held]) -> Result:
        nonlocal began
        began = True
        devices = {role: _device_names(device) for role, device in held.items()}
        frame = replace(site.frame, devices={**site.frame.devices, **devices})
        return await _run_parts(run, replace(site, held={**site.held, **held}, frame=frame), scope, path)

    try:
        queue_timeout = _shorter(seconds(scope.queue_timeout, site.frame), site.limit)
        requests = [_bound(one, site.frame) for one in scope.devices]
        if run.past:
            requests = [run.past.same_device(run.job, one) for one in requests]
        result = await with_devices(run, site, requests, queue_timeout, path, work)
    except FlowrunnerError as error:
        result = of_error(error, kind="setup", path=path, where=scope.devices[0].where)
    if not began:
        why = result.message or "its devices were not leased"
        _skip_all(run, site, within(scope), "dependency", why)
    return result


def _bound(request: DeviceRequest, frame: Frame) -> DeviceRequest:
    """`request` with the selector of this instance."""
    return replace(request, selector=str(resolve(request.late, frame)), late=None) if request.late else request


def _shorter(queue_timeout: Duration | None, limit: Limit | None) -> Duration | None:
    """The time to wait for devices: a scope inside another one may not outlast that."""
    if limit is None:
        return queue_timeout
    left = max(Duration(0), Duration(limit.at - anyio.current_time()))
    return left if queue_timeout is None else min(queue_timeout, left)


def _skip_all(run: Run, site: Site, nodes: Sequence[Node], cause: Literal["dependency", "condition"], why: str) -> None:
    for node in nodes:
        skip(run, site, node, Result(outcome=Outcome.SKIPPED, cause=cause, because=why))


def _device_names(held: Held) -> dict[str, object]:
    return {"name": held.lease.exporter, "exporter": held.lease.exporter, "labels": dict(held.lease.labels)}


async def _run_parts(run: Run, site: Site, scope: Scope, path: str) -> Result:
    halt, beside = Halt(site.halt), Beside()
    try:
        here = limited(replace(site, halt=halt, beside=beside), seconds(scope.timeout, site.frame), "timeout")
        after = seconds(scope.finally_timeout, site.frame) or Duration(FINALLY)
    except FlowrunnerError as error:
        return of_error(error, kind="test", path=path, where=_where(scope))
    async with watching(run, here, scope.watch, halt, path):
        result, frame = await _body(run, here, scope, path)
    site = replace(site, frame=frame)
    if not result.good and halt.reason and halt.reason is not site.halt.reason:
        result = halt.reason if result.outcome is Outcome.CANCELED else result
    elif result.good and halt.reason and halt.reason.cause == "watch":
        result = halt.reason
    halt.detach()
    if result.outcome in (Outcome.FAILED, Outcome.ERRORED) and result.cause != "stop":
        await _after(run, site, scope.rescue, "rescue", path, after, site.halt, failure=result)
    else:
        _skip_all(run, site, scope.rescue, "condition", f"the body {result.outcome}")
    last = await _after(run, site, scope.last, "finally", path, after, run.last)
    ended = await beside.end()
    result = next((one for one in (result, last, ended) if not one.good), result)
    return _with_outputs(site, scope, result, path)


async def _body(run: Run, site: Site, scope: Scope, path: str) -> tuple[Result, Frame]:
    """Run the steps or the jobs; returns the names that what comes after them sees as well."""
    if scope.branches:
        return await run_branches(run, site, scope, path, _tried), site.frame
    if not scope.jobs:
        own = bool(scope.devices)
        return await run_sequence(run, site, scope.steps, part="body", path=path, own=own), site.frame
    result, needs = await run_jobs(run, site, scope.jobs, path, _tried)
    return result, site.frame.inner(needs=needs)


async def _after(
    run: Run, site: Site, nodes: Sequence[Node], part: Part, path: str, limit: Duration, above: Halt,
    failure: Result | None = None,
) -> Result:  # fmt: skip
    """`rescue` or `finally`: with a time of its own, and each step of it gets its turn."""
    if not nodes:
        return PASSED
    halt = Halt(above)
    frame = site.frame.inner(failure=_failure(failure)) if failure else site.frame
    here = limited(replace(site, halt=halt, limit=None, frame=frame, fresh=True), limit, "finally_timeout")
    try:
        return await _apart(run, here, nodes, part, path)
    finally:
        halt.detach()


async def _apart(run: Run, site: Site, nodes: Sequence[Node], part: Part, path: str) -> Result:
    """Steps that are no body: what they keep is closed behind them."""
    here = replace(site, beside=Beside())
    result = await run_sequence(run, here, nodes, part=part, path=path)
    ended = await here.beside.end()
    return ended if result.good else result


def _failure(result: Result) -> dict[str, str | None]:
    return {
        "outcome": result.outcome.value, "message": result.message, "path": result.path, "blame": result.blame,
        "cause": result.cause,
    }  # fmt: skip


def _with_outputs(site: Site, scope: Scope, result: Result, path: str) -> Result:
    if result.outcome is not Outcome.PASSED or not scope.outputs:
        return result
    try:
        return replace(result, outputs=resolve(scope.outputs, site.frame), path=path)
    except FlowrunnerError as error:
        return of_error(error, kind="test", path=path, where=_where(scope))


def _where(scope: Scope) -> Span:
    return within(scope)[0].where


async def run_sequence(
    run: Run, site: Site, nodes: Sequence[Node], *, part: Part, path: str, own: bool = False
) -> Result:
    """Run `nodes` in order; what does not run is recorded as skipped. Returns the first cause.

    A body stops at its first failure; `rescue` and `finally` give each step its turn. `own`: their devices are leased
    for them alone, so that nothing behind them needs the devices as they left them.
    """
    run.journal.write("scope.started", path=path, part=part)
    first, ending = PASSED, None
    for node in nodes:
        if ending is None:
            ending = _ending(site, path)
            if ending and ending.cause == "timeout" and first.good:
                first = _no_time(site, node)
        if ending:
            skip(run, site, node, ending)
            continue
        kept = restore(run, site, node, site.path(node), path if own else None) if part == "body" else None
        result = kept or await _run_node(run, site, node)
        if result.cause == "stop":
            first = first if not first.good else result
            ending = _because("stop", result)
        elif not result.good and not tolerated(node, result):
            first = first if not first.good else result
            if node.on_failure == "stop" and part in ("body", "between"):
                ending = _because("dependency", result)
    if first.good and ending and site.halt.reason:
        first = site.halt.reason
    run.journal.write("scope.finished", path=path, part=part, outcome=first.outcome.value)
    return first


def _because(cause: Literal["stop", "dependency"], result: Result) -> Result:
    return Result(outcome=Outcome.SKIPPED, cause=cause, because=result.path)


def _ending(site: Site, path: str) -> Result | None:
    """Why no further step may start here."""
    if site.halt.reason:
        why = site.halt.reason.message or "it was canceled"
        return Result(outcome=Outcome.SKIPPED, path=path, cause="cancel", because=why)
    if site.limit and site.limit.expired:
        return Result(outcome=Outcome.SKIPPED, path=path, cause="timeout", because=site.limit.what)
    return None


def _no_time(site: Site, node: Node) -> Result:
    what = site.limit.what if site.limit else "its time"
    error = ExpectationError(f"'{node.name}' could not start within {what}", cause="timeout")
    kind = node.kind if isinstance(node, StepNode) else "test"
    return of_error(error, kind=kind, path=site.path(node), where=node.where)


async def _run_node(run: Run, site: Site, node: Node) -> Result:
    """Run one node as its condition, `foreach` and `retry` say, and record how it ended."""
    if why := run.options.left_out.get(address(site.path(node))):
        skip(run, site, node, Result(outcome=Outcome.SKIPPED, cause="condition", because=why))
        return Result(outcome=Outcome.SKIPPED, path=site.path(node))
    try:
        holds = _holds(node, site)
        items = resolve(node.foreach, site.frame) if holds and node.foreach is not None else None
    except FlowrunnerError as error:
        started = begin(run, site, node)
        result = of_error(error, kind="test", path=site.path(node), where=node.where)
        return finish(run, site, node, result, started=started)
    if not holds:
        because = f"if at {node.condition.where}" if node.condition else None
        skip(run, site, node, Result(outcome=Outcome.SKIPPED, cause="condition", because=because))
        return Result(outcome=Outcome.SKIPPED, path=site.path(node))
    if isinstance(node, Background):
        return await start(run, site, node)

    async def each(here: Site, instance: str) -> Result:
        return (await _tried(run, here, node))[0]

    started, count = begin(run, site, node), 1
    if items is not None:
        result = await foreach(run, site, node, items, each)
    else:
        result, count = await _tried(run, site, node)
    return finish(run, site, node, result, started=started, attempts=count)


def _holds(node: Node, site: Site) -> bool:
    if node.condition is None:
        return True
    value = node.condition.evaluate(site.frame.names())
    if not isinstance(value, bool):
        raise PipelineError(
            f"if needs true or false, got {value!r}", code="not-boolean", where=node.condition.where,
            help="compare it: ${{ ... == ... }}",
        )  # fmt: skip
    return value


async def _tried(run: Run, site: Site, node: Node) -> tuple[Result, int]:
    """Do `node` as often as its `retry` says; returns the last result and how many attempts there were."""

    async def once(here: Site, instance: str) -> Result:
        return await _once(run, here, node, instance)

    async def between(here: Site, instance: str) -> Result:
        steps = node.retry.between if node.retry else ()
        inside = replace(here.inside(node, instance), fresh=True)
        return await _apart(run, inside, steps, "between", instance)

    return await attempts(run, site, node, once, between)


async def _once(run: Run, site: Site, node: Node, instance: str) -> Result:
    if isinstance(node, StepNode):
        return await attempt_step(run, site, node, instance, site.limit)
    if isinstance(node, Barrier):
        return await wait_at(site, node, instance)
    assert isinstance(node, Block)
    inner = called(site, node) if isinstance(node, Call) else site
    return await run_scope(run, inner.inside(node, instance), node.scope, instance)
