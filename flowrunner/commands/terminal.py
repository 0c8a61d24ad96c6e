"""This process's terminal in raw mode: as it was again, however that ends."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flowrunner.commands.reading import usage

_before: list[tuple[int, Any]] = []
"""Terminals that are in raw mode now, with how they were."""


def restore_terminals() -> None:
    """Restore what is in raw mode. What was typed for the device and not read is dropped: it is not for a shell.

    It never waits for a terminal that is stopped, and one that is gone needs nothing.
    """
    while _before:
        handle, before = _before.pop()
        with suppress(termios.error):
            termios.tcflush(handle, termios.TCIFLUSH)
            termios.tcsetattr(handle, termios.TCSANOW, before)


def check_terminal() -> None:
    """Raise a `PipelineError` when standard input is no terminal."""
    if not os.isatty(sys.stdin.fileno()):
        raise usage("a console needs a terminal, and standard input is none", "use pipe instead of console")


@contextmanager
def raw_terminal() -> Iterator[int]:
    """Put the terminal into raw mode; leaving restores it, whatever happened. Yields its file descriptor."""
    handle = sys.stdin.fileno()
    _before.append((handle, termios.tcgetattr(handle)))
    try:
        tty.setraw(handle)
        yield handle
    finally:
        restore_terminals()
