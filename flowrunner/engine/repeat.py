"""Doing a node more than once: the attempts of `retry`, the iterations of `foreach`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio

from flowrunner.engine.attempt import stopped
from flowrunner.engine.halt import Limit
from flowrunner.engine.names import seconds
from flowrunner.engine.record import begin, finish, restore
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import FlowrunnerError, PipelineError
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import Backoff, Block, Call, Node, Retry, walk

Once = Callable[[Site, str], Awaitable[Result]]
"""Does a node once, at a site whose limit is its own, under the path of this attempt."""


async def attempts(run: Run, site: Site, node: Node, once: Once, between: Once) -> tuple[Result, int]:
    """Do `node` until it is good, or no further attempt is due; returns the last result and how many there were."""
    path = site.path(node)
    try:
        own = limited(site, seconds(node.timeout, site.frame), "timeout")
        if node.retry is None:
            return await once(own, path), 1
        return await _retried(run, own, node, node.retry, once, between)
    except FlowrunnerError as error:
        return of_error(error, kind="test", path=path, where=node.where), 1


def limited(site: Site, own: Duration | None, what: str) -> Site:
    """`site` with a limit of its own, capped by the one above."""
    if own is None:
        return site
    limit = Limit(anyio.current_time() + own, f"its {what} of {own}")
    return replace(site, limit=Limit.earliest(site.limit, limit))


async def _retried(run: Run, site: Site, node: Node, retry: Retry, once: Once, between: Once) -> tuple[Result, int]:
    path = site.path(node)
    attempt, last = _numbers(run, site, node, retry)
    while True:
        run.journal.write("attempt.started", durable=attempt > 1, path=path, attempt=attempt)
        here = replace(site, frame=site.frame.inner(attempt=attempt))
        capped = limited(here, seconds(retry.attempt_timeout, site.frame), "attempt_timeout")
        instance = f"{path}#{attempt}" if isinstance(node, Block) else path
        result = await once(capped, instance)
        again = attempt < last and wanted(result, retry, node) and not site.halt.reason
        pause = next_pause(retry.backoff, attempt, site.limit, f"{run.seed} {path}") if again else None
        facts = {key: value for key, value in result.facts().items() if key in _BRIEF}
        run.journal.write("attempt.finished", path=path, attempt=attempt, pause=pause, **facts)
        if pause is None or await site.halt.sleep(pause):
            return result, attempt
        if not (await between(here, f"{path}#{attempt}")).good or site.halt.reason:
            return result, attempt
        attempt += 1


def _numbers(run: Run, site: Site, node: Node, retry: Retry) -> tuple[int, int]:
    """The attempt to begin with, and the last that may be.

    An earlier runner's attempt of a block that was cut off is gone on with; behind those that ended, counting goes on.
    """
    if run.past is None or site.fresh or not isinstance(node, Block):
        return 1, retry.attempts
    started, ended = run.past.attempts(site.path(node))
    first = started if started > ended else ended + 1
    return first, max(retry.attempts, first) if started > ended else ended + retry.attempts


_BRIEF = ("outcome", "cause", "blame", "message")


def wanted(result: Result, retry: Retry, node: Node) -> bool:
    """Whether `retry.on` covers this result.

    A failure of the product is only ever retried when `failed` is listed. A lost device comes back only with a new
    lease, so only a block that leases devices itself can be tried again then.
    """
    if result.outcome is Outcome.FAILED:
        return "failed" in retry.on
    if result.outcome is not Outcome.ERRORED or result.cause == "stop":
        return False
    if result.cause in ("timeout", "idle") and "timeout" in retry.on:
        return True
    if result.blame == "lost":
        return "infra" in retry.on and isinstance(node, Block) and bool(node.scope.devices)
    return result.blame in retry.on


def next_pause(backoff: Backoff, attempt: int, limit: Limit | None, seed: str) -> Duration | None:
    """Seconds before the attempt after `attempt`; None when the deadline leaves no time for one.

    The jitter is drawn from `seed`: a replay of a run makes the same pauses.
    """
    pause = float(backoff.initial) * backoff.factor ** (attempt - 1)
    pause *= 1 + random.Random(f"{seed} {attempt}").uniform(0, backoff.jitter)
    if backoff.max is not None:
        pause = min(pause, float(backoff.max))
    return None if limit and anyio.current_time() + pause >= limit.at else Duration(pause)


async def foreach(run: Run, site: Site, node: Node, items: Any, each: Once) -> Result:
    """Do `node` for each item, in order; outputs become lists. It stops at the first that is not good."""
    path = site.path(node)
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        error = PipelineError(f"foreach needs a list, got {items!r}", code="bad-value")
        return of_error(error, kind="test", path=path, where=node.where)
    results: list[Result] = []
    frames = []
    for index, item in enumerate(items):
        loop = {
            "index": index,
            "item": item,
            "first": index == 0,
            "last": index == len(items) - 1,
            "length": len(items),
        }
        frame = site.frame.inner(apart=True, loop=loop)
        here = replace(site, frame=frame, plan=node.path, instance=f"{path}[{index}]")
        results.append(await _iteration(run, here, replace(node, id=None), each))
        frames.append(frame)
        if results[-1].cause == "stop" or not (results[-1].good or node.on_failure == "continue"):
            break
    inside = walk(node.scope, templates=False) if isinstance(node, Block) and not isinstance(node, Call) else ()
    for id in [child.id for child in inside if child.id]:
        site.frame.steps[id] = _gathered([frame.steps[id] for frame in frames if id in frame.steps])
    worst = next((result for result in results if not result.good), results[-1] if results else PASSED)
    return replace(worst, outputs=_lists([result.outputs for result in results]), path=worst.path or path)


async def _iteration(run: Run, site: Site, node: Node, each: Once) -> Result:
    if site.halt.reason:
        return stopped(site.halt.reason, site.instance)
    if kept := restore(run, site, node, site.instance):
        return kept
    started = begin(run, site, node)
    return finish(run, site, node, await each(site, site.instance), started=started)


def _gathered(views: list[dict[str, Any]]) -> dict[str, Any]:
    outcome = views[-1]["outcome"] if views else Outcome.SKIPPED.value
    return {"outcome": outcome, "outputs": _lists([view.get("outputs", {}) for view in views])}


def _lists(outputs: Sequence[Any]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for one in outputs for key in one)
    return {key: [one[key] for one in outputs if key in one] for key in keys}
