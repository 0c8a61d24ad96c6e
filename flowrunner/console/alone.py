"""A console that is read outside of a run, with a log that is gone at the end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.beside import beside
from flowrunner.console.log import ConsoleLog
from flowrunner.console.reader import ConsoleReader
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration


@asynccontextmanager
async def reading(console: Console) -> AsyncIterator[ConsoleReader]:
    """The console, read from now to the end of the block."""
    began = anyio.current_time()

    def clock() -> Duration:
        return Duration(anyio.current_time() - began)

    with tempfile.TemporaryDirectory(prefix="flow-console-") as folder:
        reader = ConsoleReader("console", console, ConsoleLog(Path(folder) / "console.log", clock=clock), clock=clock)
        connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with beside(lambda: reader.run(connected=connected)):
            await connected
            yield reader
