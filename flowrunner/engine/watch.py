"""Watches: patterns that are looked for beside the steps of a scope; the first hit ends its body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from flowrunner.console.patterns import Line
from flowrunner.engine.halt import Halt
from flowrunner.engine.names import seconds
from flowrunner.engine.result import Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import FlowrunnerError
from flowrunner.interfaces.console import Console
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Watch


@asynccontextmanager
async def watching(run: Run, site: Site, watches: Sequence[Watch], halt: Halt, path: str) -> AsyncIterator[None]:
    """Look for `watches` while inside; a hit asks `halt` to stop. Leaving waits for the grace of a hit."""
    tasks = [asyncio.create_task(_watch(run, site, watch, halt, path)) for watch in watches]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        if halt.reason and halt.reason.cause == "watch":
            await _grace(run, site, watches, halt.reason)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(run: Run, site: Site, watch: Watch, halt: Halt, path: str) -> None:
    role, _, part = (watch.device or next(iter(site.held))).partition(".")
    held = site.held[role]
    reader = held.reader(held.lease.device.find(Console, path=part))
    try:
        hit = await reader.watch(Line(watch.pattern), start=reader.session.end)
    except FlowrunnerError as error:
        halt.request(replace(of_error(error, kind="test", path=path, where=watch.where), cause="watch"))
        return
    run.journal.write(
        "match", path=path, console=reader.name, start=hit.start, end=hit.end, text=hit.text,
        pattern=watch.pattern, groups=hit.groups,
    )  # fmt: skip
    halt.request(
        Result(
            outcome=Outcome(watch.outcome),
            path=path,
            cause="watch",
            where=watch.where,
            blame=watch.blame or "device" if watch.outcome == "errored" else None,
            message=f"{reader.name} printed what is watched for: {hit.text.strip()!r}",
            said=hit.text,
            console=reader.name,
            offset=hit.start,
        )
    )


async def _grace(run: Run, site: Site, watches: Sequence[Watch], reason: Result) -> None:
    """Keep logging after a hit, so that the trace is complete; a second request to stop ends it."""
    grace = next((watch.grace for watch in watches if watch.where == reason.where), None)
    wait = seconds(grace, site.frame) if grace else None
    if wait:
        await run.last.sleep(wait)
