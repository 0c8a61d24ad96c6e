"""Commands that go on beside the rest of their scope, and end with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import regex

from flowrunner.engine.attempt import attempt_step
from flowrunner.engine.halt import Halt
from flowrunner.engine.kept import CLOSING
from flowrunner.engine.names import seconds
from flowrunner.engine.record import begin, finish
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import ExpectationError
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Background, Ready


async def start(run: Run, site: Site, node: Background) -> Result:
    """Start `node` and wait until it is ready; the result says whether the scope can go on."""
    running = _Running(run, site, node)
    site.beside.add(running)
    return await running.start()


class _Running:
    def __init__(self, run: Run, site: Site, node: Background) -> None:
        self._run = run
        self._node = node
        self._halt = Halt()
        self._site = site
        self._output = Lines()
        self._started = 0.0
        self._task: asyncio.Task[Result] | None = None

    async def start(self) -> Result:
        node, site = self._node, replace(self._site, halt=self._halt, limit=None)
        path = site.path(node)
        self._started = begin(self._run, site, node)
        body = replace(node.body, interruptible=True)
        self._task = asyncio.create_task(attempt_step(self._run, site, body, path, None, tap=self._output.feed))
        if node.ready is None:
            return PASSED
        return await self._wait_ready(node.ready, path)

    async def _wait_ready(self, ready: Ready, path: str) -> Result:
        assert self._task is not None
        within = seconds(ready.within, self._site.frame)
        hit = asyncio.create_task(self._output.wait(ready.pattern))
        unsubscribe = self._site.halt.subscribe(lambda _: hit.cancel())
        with anyio.move_on_after(within):
            await asyncio.wait((hit, self._task), return_when=asyncio.FIRST_COMPLETED)
        unsubscribe()
        if hit.done():
            return PASSED
        hit.cancel()
        what = (
            f"'{self._node.name}' ended before it was ready"
            if self._task.done()
            else (f"'{self._node.name}' was not ready within {within}")
        )
        error = ExpectationError(
            f"{what}: no line matched '{ready.pattern}'", cause="unmet" if self._task.done() else "timeout"
        )
        return of_error(error, kind="setup", path=path, where=self._node.where)

    async def end(self) -> Result:
        assert self._task is not None
        by_itself = self._task.done()
        self._halt.request(CLOSING)
        result = await self._task
        if not by_itself and result.outcome is Outcome.CANCELED:
            result = replace(PASSED, path=result.path)
        return finish(self._run, self._site, self._node, result, started=self._started)


class Lines:
    """The output of a command, line by line; remembers the last MiB for whoever waits later."""

    def __init__(self) -> None:
        self._text = b""
        self._arrived = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """More output."""
        self._text = (self._text + data)[-(1 << 20) :]
        self._arrived.set()

    async def wait(self, pattern: str) -> None:
        """Wait until a complete line matches `pattern`."""
        wanted = regex.compile(pattern)
        while True:
            self._arrived.clear()
            complete = self._text[: self._text.rfind(b"\n") + 1].decode("utf-8", "replace")
            if any(wanted.search(line) for line in complete.splitlines()):
                return
            await self._arrived.wait()
