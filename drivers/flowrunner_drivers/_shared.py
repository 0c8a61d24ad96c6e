"""A console that a driver and the jobs use at the same time."""

from __future__ import annotations

from flowrunner.console.shared import SharedConsole
from flowrunner.driver import Driver
from flowrunner.interfaces.console import Console


def share(console: Console) -> Console:
    """What a driver uses of its child `console`, and jobs from now on too: each of them gets every byte.

    Asked again, it is the same.
    """
    assert isinstance(console, Driver)
    if console.front is None:
        console.front = SharedConsole(console)
    assert isinstance(console.front, Console)
    return console.front
