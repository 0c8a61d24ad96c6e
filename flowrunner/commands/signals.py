"""Work that a signal ends: cancelled by the first one, left at once by the second."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import anyio

from flowrunner.commands.terminal import restore_terminals

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_told(work: Callable[[], Awaitable[int]]) -> int:
    """Run `work` to its end; returns what it returns, or 128+n when signal n ended it before.

    Nobody reading what it prints counts as SIGPIPE.
    """
    try:
        return anyio.run(_obeying, work)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
        return 128 + signal.SIGPIPE


async def _obeying(work: Callable[[], Awaitable[int]]) -> int:
    loop = asyncio.get_running_loop()
    asked: list[int] = []

    def obey(number: int, frame: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            restore_terminals()
            os._exit(128 + number)
        loop.call_soon_threadsafe(scope.cancel)

    status = 0
    with anyio.CancelScope() as scope:
        for number in NUMBERS:
            signal.signal(number, obey)
        status = await work()
    return 128 + asked[0] if scope.cancelled_caught else status
