"""A parent that keeps a serving child alive: starts it again when it fails, and passes signals on.

The child is forked before anything that has threads is loaded, so each start is a fresh one that costs no imports of
what the parent has. As process 1 of a container the parent also collects orphans.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from flowrunner.remote.exporter.process import STOPPING, WATCHED, Report, collect, ending, next_signal

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first start after a failure, and at most."""

KILL_AFTER = 5.0
"""Seconds that a child has after it was told for the second time to stop."""

REFUSED = 2
"""The exit status of a child that cannot run as its file is written: starting it again changes nothing."""

ENDED = 1
"""The exit status of a child whose hook has ended it (`onFailure: exit`): it shall stay away."""

BROKEN = 70
"""The exit status of a child that broke by a defect of ours (sysexits.h)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many failures within how many seconds are too many."""

    most: int = 5
    window: float = 60.0


Child = Callable[[Report, list[str]], int]
"""Serves, and returns its exit status. It is given the addresses that the child before it had."""


class Supervisor:
    """Runs `child` again and again. `say` takes lines for people."""

    def __init__(self, child: Child, limits: Limits, say: Callable[[str], None]) -> None:
        self._child = child
        self._limits = limits
        self._say = say
        self._failures: deque[float] = deque()
        self._pause = FIRST_PAUSE
        self._addresses: list[str] = []
        self._asked: list[int] = []
        self._why = ""

    def run(self) -> int:
        """Run until a child ends well, is told to stop, or too many have failed; returns the exit status.

        It is that of the last child; 1 after too many failures, 128+n when signal n came twice.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            while True:
                status = self._once()
                if self._asked or status in (0, ENDED, REFUSED):
                    return status
                if not self._again():
                    return 128 + self._asked[0] if self._asked else 1
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _once(self) -> int:
        """One child from its start to its end."""
        started = time.monotonic()
        sys.stdout.flush()
        line, far = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            line.close()
            os._exit(self._become(Report(far)))
        far.close()
        with line:
            status = self._watch(pid)
            self._why = ending(status)
            self._listen(line)
        if time.monotonic() - started > self._limits.window:
            self._pause = FIRST_PAUSE
        if len(self._asked) > 1:
            return 128 + self._asked[0]
        return status if status >= 0 else 128 - status

    def _become(self, report: Report) -> int:
        """What the child does: a group of its own, so that Ctrl-C reaches it through the parent only."""
        try:
            os.setpgid(0, 0)
            for number in WATCHED:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a terminal that stops who writes from the background
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
            status = self._child(report, self._addresses)
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException as error:  # noqa: BLE001 - nothing may leave a forked child
            sys.excepthook(type(error), error, error.__traceback__)
            report.say(error=f"{type(error).__name__}: {error}")
            status = BROKEN
        sys.stdout.flush()
        sys.stderr.flush()
        return status

    def _watch(self, pid: int) -> int:
        """Wait for the child while passing signals on; its exit status, negative for a signal."""
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            number = next_signal(left)
            if number == signal.SIGCHLD:
                if (status := collect(pid)) is not None:
                    return status
            elif number is None:
                os.kill(pid, signal.SIGKILL)
                deadline = None
            elif number == signal.SIGHUP:
                os.kill(pid, signal.SIGHUP)
            else:
                self._asked.append(number)
                os.kill(pid, number)
                deadline = time.monotonic() + KILL_AFTER if len(self._asked) > 1 else None

    def _listen(self, line: socket.socket) -> None:
        """What the child said before it ended."""
        line.setblocking(False)
        said = b""
        with suppress(BlockingIOError):
            while piece := line.recv(1 << 16):
                said += piece
        for text in said.splitlines():
            facts = json.loads(text)
            self._addresses = facts.get("addresses", self._addresses)
            self._why = facts.get("error", self._why)

    def _again(self) -> bool:
        """Count a failure and wait; False when there were too many, or when told to stop meanwhile."""
        now = time.monotonic()
        self._failures.append(now)
        while now - self._failures[0] > self._limits.window:
            self._failures.popleft()
        if len(self._failures) >= self._limits.most:
            times = f"{len(self._failures)} times within {self._limits.window:g}s"
            self._say(f"the exporter failed {times}, the last time because {self._why}; giving up")
            return False
        self._say(f"the exporter failed: {self._why}; starting again in {self._pause:g}s")
        deadline = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        while (left := deadline - time.monotonic()) > 0:
            number = next_signal(left)
            if number is not None and number in STOPPING:
                self._asked.append(number)
                return False
        return True
