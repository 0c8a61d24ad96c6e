"""`parallel`: branches beside each other, each with one record, and what a barrier does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from flowrunner.engine.attempt import stopped
from flowrunner.engine.halt import Halt
from flowrunner.engine.meeting import Meeting
from flowrunner.engine.record import begin, finish
from flowrunner.engine.result import PASSED, Result
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import Cause
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Barrier, Block, Scope

Tried = Callable[[Run, Site, Block], Awaitable[tuple[Result, int]]]
"""Does a block; gives its result and the number of attempts."""


async def run_branches(run: Run, site: Site, scope: Scope, path: str, tried: Tried) -> Result:
    """Run the branches of `scope`; returns the first cause in time. Failing fast ends the others, not their finally."""
    run.journal.write("scope.started", path=path, part="body")
    barriers = {
        node.meeting: node.participants
        for branch in scope.branches
        for node in branch.scope.steps
        if isinstance(node, Barrier)
    }
    meeting, halt = Meeting(barriers), Halt(site.halt)
    ended: list[Result] = []

    async def one(branch: Block) -> None:
        here = replace(site, halt=halt, meeting=meeting.of(branch.name))
        started = begin(run, here, branch)
        result, _ = await tried(run, here, branch)
        finish(run, here, branch, result, started=started)
        ended.append(result)
        if not result.good and scope.fail_fast:
            halt.request(Result(outcome=Outcome.CANCELED, path=result.path, cause="cancel", because=result.path))
        meeting.leave(branch.name)

    async with asyncio.TaskGroup() as tasks:
        for branch in scope.branches:
            tasks.create_task(one(branch))
    halt.detach()
    first = next((result for result in ended if not result.good), PASSED)
    first = next((result for result in ended if result.cause == "stop"), first) if first.good else first
    run.journal.write("scope.finished", path=path, part="body", outcome=first.outcome.value)
    return replace(first, outputs={})


async def wait_at(site: Site, node: Barrier, path: str) -> Result:
    """Wait until all who meet at a barrier are there; ends at once when one of them cannot come any more."""
    assert site.meeting is not None, "the compiler lets barriers stand in branches only"
    came = asyncio.ensure_future(site.meeting.arrive(node.meeting).wait())
    asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    unsubscribe = site.halt.subscribe(lambda _: asked.cancel())
    left = None if site.limit is None else max(0.0, site.limit.at - asyncio.get_running_loop().time())
    try:
        await asyncio.wait((came, asked), timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        unsubscribe()
        is_open = came.done() and not came.cancelled()
        came.cancel()
    if site.halt.reason and not is_open:
        return stopped(site.halt.reason, path)
    if not is_open:
        what = f"not all came to the barrier '{node.meeting}' within {site.limit.what if site.limit else 'its time'}"
        return _peer(node, path, what, "timeout")
    missing = site.meeting.missing(node.meeting)
    if missing is not None:
        return _peer(
            node, path, f"the branch '{missing}' ended and cannot come to the barrier '{node.meeting}'", "unmet"
        )
    return replace(PASSED, path=path)


def _peer(node: Barrier, path: str, what: str, cause: Cause) -> Result:
    return Result(
        outcome=Outcome.ERRORED, path=path, cause=cause, blame="peer", message=what, where=node.where
    )  # fmt: skip
