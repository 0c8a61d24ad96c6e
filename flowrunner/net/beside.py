"""Work that goes on beside a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def beside() -> AsyncIterator[TaskGroup]:
    """Tasks that last as long as the block; what the block raises comes out as it is, and not in an exception group."""
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except BaseException as error:  # noqa: BLE001 - raised again when the tasks have ended
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
