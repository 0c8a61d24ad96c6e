"""What goes on beside the steps of a scope and ends with it: commands in the background, and what steps keep open."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from flowrunner.engine.halt import Halt
from flowrunner.engine.result import PASSED, Result, of_error
from flowrunner.engine.supervise import GRACE, Ending, supervise
from flowrunner.errors import BenchError, Span
from flowrunner.model import Outcome

T = TypeVar("T")

CLOSING = Result(outcome=Outcome.CANCELED, message="its scope ended")


class Lasting(Protocol):
    """Something that goes on until it is ended."""

    async def end(self) -> Result:
        """End it; says whether all was well with it until then. Raises nothing."""
        ...


class Beside:
    """What goes on beside the steps of one scope, in the order in which it began."""

    def __init__(self) -> None:
        self._lasting: list[Lasting] = []

    def add(self, one: Lasting) -> None:
        """Another one, which ends before those that are here."""
        self._lasting.append(one)

    def take(self, other: Beside) -> None:
        """All of `other`, which has none then."""
        self._lasting += other._lasting
        other._lasting = []

    async def end(self) -> Result:
        """End all of them, last one first; the result is that of the first that had ended badly by itself."""
        results = []
        while self._lasting:
            results.append(await self._lasting.pop().end())
        return next((result for result in reversed(results) if not result.good), PASSED)


class Kept:
    """A resource of the step at `path`, in a task of its own: what was opened in a task must be closed in it."""

    def __init__(self, path: str, where: Span) -> None:
        self._path = path
        self._where = where
        self._halt = Halt()
        self._close = asyncio.Event()
        self._task: asyncio.Task[Ending] | None = None

    async def open(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter `resource`; raises what it raises."""
        opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(supervise(self._hold(resource, opened), limit=None, halts=[self._halt]))
        try:
            await asyncio.wait((opened, self._task), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.end()
            raise
        if not opened.done():
            raise self._task.result().error or BenchError("it ended as soon as it was open", blame="infra")
        return opened.result()

    async def _hold(self, resource: AbstractAsyncContextManager[T], opened: asyncio.Future[T]) -> None:
        async with resource as value:
            opened.set_result(value)
            await self._close.wait()

    def told(self, failed: Any) -> None:
        """Call `failed` with the message of what ends it before its time."""

        def look(task: asyncio.Task[Ending]) -> None:
            error = None if task.cancelled() else task.result().error
            if error and not self._close.is_set():
                failed(f"it broke, and is closed: {error}")

        assert self._task is not None
        self._task.add_done_callback(look)

    async def end(self) -> Result:
        """Leave the resource; one that does not close within the grace is left behind."""
        assert self._task is not None
        self._close.set()
        await asyncio.wait((self._task,), timeout=GRACE)
        self._halt.request(CLOSING)
        ending = await self._task
        if ending.how == "done" and ending.error is None:
            return PASSED
        error = ending.error or BenchError(f"it was not closed within {GRACE:g}s", blame="infra")
        return of_error(error, kind="setup", path=self._path, where=self._where)
