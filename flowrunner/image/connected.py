"""A medium behind a mux."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from flowrunner.errors import FlowrunnerError
from flowrunner.interfaces.storage import Flasher, StorageMux


@asynccontextmanager
async def connected(flasher: Flasher) -> AsyncIterator[None]:
    """With a medium behind a mux: connect it to the host, and to the target at the end, also after a failure."""
    if not isinstance(flasher, StorageMux):
        yield
        return
    try:
        await flasher.host()
        yield
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            try:
                await flasher.dut()
            except FlowrunnerError as later:
                error.add_note(f"and the storage could not be given back to the target: {later.what}")
        raise
    await flasher.dut()
