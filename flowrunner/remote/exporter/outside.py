"""What an exporter is told from outside: by signals, and by the end of its parent."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def obeyed(obey: Callable[[int], None]) -> Iterator[None]:
    """Let `obey` be told of signals; the second one to stop leaves at once.

    Plain handlers, not the event loop's: the second must work although a driver keeps the loop. A SIGHUP that comes
    because our terminal is gone is told as SIGTERM.
    """
    terminal = _has_terminal()
    loop = asyncio.get_running_loop()
    asked = 0

    def tell(number: int, frame: object) -> None:
        nonlocal asked
        if number == signal.SIGHUP and terminal and not _has_terminal():
            number = signal.SIGTERM
        asked += number != signal.SIGHUP
        if asked > 1:
            os._exit(128 + number)
        loop.call_soon_threadsafe(obey, number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    before = {number: signal.signal(number, tell) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(handle: int | None, gone: Callable[[], object]) -> Iterator[None]:
    """Call `gone` when `handle` becomes readable."""
    if handle is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def tell() -> None:
        loop.remove_reader(handle)
        gone()

    loop.add_reader(handle, tell)
    try:
        yield
    finally:
        loop.remove_reader(handle)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
