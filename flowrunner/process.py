"""Starting a command so that it is never nobody's."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import Process


async def spawn(command: str | Sequence[str], **options: Any) -> Process:
    """Start `command` in a session of its own; `options` are those of `anyio.open_process`.

    Canceled half-way, when it may run already while nobody has its handle, the whole session is killed.

    Raises:
        OSError: it cannot be started.
    """
    opening = asyncio.ensure_future(anyio.open_process(command, start_new_session=True, **options))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True), suppress(OSError):
            process = await opening
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await process.aclose()
        raise
