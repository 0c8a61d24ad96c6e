"""Work that goes on beside a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def beside(*works: Callable[[], Coroutine[Any, Any, object]]) -> AsyncIterator[TaskGroup]:
    """Run `works` as long as the block lasts; they are cancelled at its end.

    What the block raises comes out as it is, and not in an exception group; so does what the first of `works` raises.
    """
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(work)
            try:
                yield tasks
            except BaseException as error:  # noqa: BLE001 - raised again when the tasks have ended
                failure = error
            tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from failure
    if failure is not None:
        raise failure
