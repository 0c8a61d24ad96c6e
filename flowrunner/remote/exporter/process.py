"""What a supervisor needs of processes: signals one by one, ends of children, and a line to each."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
WATCHED = STOPPING | {signal.SIGHUP, signal.SIGCHLD}


class Report:
    """The child's end of its line to the parent. `alive` can be read when the parent has gone."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @property
    def alive(self) -> int:
        """A file descriptor that becomes readable when the parent has gone."""
        return self._line.fileno()

    def say(self, **facts: Any) -> None:
        """Tell the parent: `addresses` that the next child shall have too, `error` that this one ends with."""
        self._line.sendall(json.dumps(facts).encode() + b"\n")


def next_signal(seconds: float | None) -> int | None:
    """The next signal; None when there is none for so long."""
    if seconds is None:
        return signal.sigwait(WATCHED)
    found = signal.sigtimedwait(WATCHED, seconds)
    return found.si_signo if found else None


def collect(pid: int) -> int | None:
    """Collect every process that has ended; the exit status of `pid`, negative for a signal, None while it runs."""
    found: int | None = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        if ended == pid:
            found = os.waitstatus_to_exitcode(status)


def ending(status: int) -> str:
    """How a process with this exit status ended, in words."""
    return f"it was ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
