"""This process's terminal in raw mode, and how keys get from it to a device."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowrunner.commands.reading import usage

ESCAPE = 0x02
"""Ctrl-B: three of them in a row leave the console."""

TIMES = 3


class Escape:
    """Looks for the keys that leave. All of them go to the device too, as with Jumpstarter."""

    def __init__(self) -> None:
        self._seen = 0

    def leaves(self, data: bytes) -> bool:
        """Whether the third in a row is in `data`."""
        for byte in data:
            self._seen = self._seen + 1 if byte == ESCAPE else 0
            if self._seen == TIMES:
                return True
        return False


_before: list[tuple[int, Any]] = []
"""Terminals that are in raw mode now, with how they were."""


def restore_terminals() -> None:
    """Restore what is in raw mode; for those who leave at once."""
    for handle, before in _before:
        termios.tcsetattr(handle, termios.TCSANOW, before)


def check_terminal() -> None:
    """Raise a `PipelineError` when standard input is no terminal."""
    if not os.isatty(sys.stdin.fileno()):
        raise usage("a console needs a terminal, and standard input is none", "use pipe instead of console")


@contextmanager
def raw_terminal() -> Iterator[int]:
    """Put the terminal into raw mode; leaving restores it, whatever happened. Yields its file descriptor."""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    _before.append((handle, before))
    try:
        tty.setraw(handle)
        yield handle
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
        _before.clear()
