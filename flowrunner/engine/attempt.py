"""One attempt of one step: build its model, run it under its limits, say how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flowrunner.engine.context import StepContext, StopRun
from flowrunner.engine.halt import Limit
from flowrunner.engine.locked import as_locked
from flowrunner.engine.names import build, seconds
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.engine.supervise import GRACE, Ending, Idle, supervise
from flowrunner.engine.witness import CURRENT
from flowrunner.errors import Cause, ExpectationError, FlowrunnerError
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import StepNode
from flowrunner.step import Outputs, Step


async def attempt_step(
    run: Run, site: Site, node: StepNode, path: str, limit: Limit | None, *, tap: Callable[[bytes], None] | None = None
) -> Result:
    """Run `node` once; never raises what the step raised. `tap` gets its live output."""
    halts = [held.lost for role, held in site.held.items() if _uses(node, role)]
    if node.interruptible:
        halts.append(site.halt)
    asked = next((halt.reason for halt in halts if halt.reason), None)
    if asked:
        return stopped(asked, path)
    try:
        step = as_locked(build(node, site.frame), node, run.options.images)
        idle = Idle(seconds(node.idle_timeout, site.frame))
    except FlowrunnerError as error:
        return of_error(error, kind=node.kind, path=path, where=node.where)
    context = StepContext(run, site, node, path, limit.at if limit else None, idle, tap)
    await run.journal.settle()
    unsubscribe = site.halt.subscribe(lambda _: _say_delayed(run, node, path))
    try:
        ending = await supervise(_run(run, step, node.action, context, path), limit=limit, halts=halts, idle=idle)
    finally:
        unsubscribe()
    context.record_artifacts()
    run.end_output(path)
    context.tidy()
    if ending.overrun:
        run.journal.write("overrun", path=path, seconds=GRACE)
    result = _judge(ending, node, path, limit, idle)
    context.over = True
    if result.good:
        site.beside.take(context.kept)
    else:
        await context.kept.end()
    if result.good or context.last_console is None:
        return result
    return replace(result, console=context.last_console.name, offset=context.last_console.end)


async def _run(run: Run, step: Step, action: str, context: StepContext, path: str) -> Outputs | None:
    CURRENT.set(path)
    if run.witness:
        await run.witness.starting()
    if run.witness and step.outside:
        return await run.witness.outside(step, action, context)
    return await step.run(context)


def _uses(node: StepNode, role: str) -> bool:
    return node.device is not None and node.device.partition(".")[0] == role


def _say_delayed(run: Run, node: StepNode, path: str) -> None:
    if node.interruptible:
        return
    until = "until it ends or its timeout passes"
    run.journal.write("cancel.delayed", path=path, message=f"'{node.name}' is not interruptible: waiting {until}")


def _judge(ending: Ending, node: StepNode, path: str, limit: Limit | None, idle: Idle) -> Result:
    if ending.how == "limit" and limit:
        return _overdue(f"not done within {limit.what}", "timeout", node, path)
    if ending.how == "idle":
        return _overdue(f"nothing moved for {Duration(idle.seconds or 0)}", "idle", node, path)
    if ending.how == "halt" and ending.reason:
        return stopped(ending.reason, path)
    if isinstance(ending.error, StopRun):
        return ending.error.result
    if ending.error:
        return of_error(ending.error, kind=node.kind, path=path, where=node.where)
    return replace(PASSED, path=path, outputs=_plain(ending.value))


def _overdue(message: str, cause: Cause, node: StepNode, path: str) -> Result:
    error = ExpectationError(f"'{node.name}' was {message}" if cause == "timeout" else message, cause=cause)
    return of_error(error, kind=node.kind, path=path, where=node.where)


def stopped(reason: Result, path: str) -> Result:
    """What a halted step is: lost with its device, else canceled because of `reason`."""
    if reason.blame == "lost":
        return replace(reason, path=path)
    return Result(outcome=Outcome.CANCELED, path=path, cause="cancel", because=reason.path or reason.message)


def _plain(outputs: Outputs | None) -> Mapping[str, Any]:
    return outputs.model_dump() if outputs is not None else {}
