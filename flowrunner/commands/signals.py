"""Work that a signal ends: cancelled by the first one, left at once by the second."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import anyio

from flowrunner.commands.terminal import restore_terminals

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

STUCK = 1.0
"""Seconds that a thread may take to end when all else has."""


def run_until_told(work: Callable[[], Awaitable[int]]) -> int:
    """Run `work` to its end; returns what it returns, or 128+n when signal n ended it before.

    Nobody reading what it prints counts as SIGPIPE.
    """
    try:
        status, told = anyio.run(_obeying, work)
        if told:
            _leave_stuck(status)
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
        return 128 + signal.SIGPIPE


def _leave_stuck(status: int) -> None:
    """Leave at once when a thread still writes to what nobody reads, such as a terminal that is stopped."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(STUCK)
            if thread.is_alive():
                os._exit(status)


async def _obeying(work: Callable[[], Awaitable[int]]) -> tuple[int, bool]:
    """The exit status, and whether a signal made it."""
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
    return (128 + asked[0], True) if scope.cancelled_caught else (status, False)
