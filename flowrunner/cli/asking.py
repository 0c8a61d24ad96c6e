"""Asking whoever sits at the terminal whether a rollout may go on; what he types is read line by line."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowrunner.engine.rollout.approval import Asked, approve

Event = Mapping[str, Any]

YES = frozenset({"y", "yes"})


def somebody() -> str:
    """Who says yes: the user, and the machine at which he sits."""
    return f"{getpass.getuser()} at {socket.gethostname()}"


class Asking:
    """A listener that knows what the run in `folder` waits for, and takes an answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[tuple[str, str], Asked] = {}

    def __call__(self, event: Event) -> None:
        """Note what is asked, and what is answered."""
        if event["event"] == "approval.requested":
            asked = Asked(job=str(event["path"]), wave=str(event["wave"]), plan=str(event["plan"]))
            self._waiting[asked.job, asked.wave] = asked
        elif event["event"] == "approval.given":
            self._waiting.pop((str(event["path"]), str(event["wave"])), None)

    def answer(self, line: str) -> bool:
        """Take a line: `yes`, or the name of a wave, says yes to it. Anything else says nothing."""
        word = line.strip().lower()
        for asked in self._waiting.values():
            if word in YES or word == asked.wave:
                approve(self._folder, asked, by=somebody())
                return True
        return False


@contextmanager
def asking(folder: Path) -> Iterator[Asking]:
    """Read answers from the terminal as long as this lasts, if there is one that is ours to read from."""
    ask = Asking(folder)
    loop = asyncio.get_running_loop()
    stream = sys.stdin
    if not stream or not stream.isatty() or os.getpgrp() != os.tcgetpgrp(stream.fileno()):
        yield ask
        return

    def read() -> None:
        line = os.read(stream.fileno(), 1024)
        if line:
            ask.answer(line.decode(errors="replace"))
        else:
            loop.remove_reader(stream.fileno())

    loop.add_reader(stream.fileno(), read)
    try:
        yield ask
    finally:
        loop.remove_reader(stream.fileno())
