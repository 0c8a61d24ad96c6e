"""Measuring: several runs, the median, and the ratio to a peer where there is one."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(".cache/peers/bin")
"""Where `make bench` installs the peers."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `better` says which way is good; `goal` is in the same unit as `ours`."""

    measure: str
    ours: float
    unit: str
    goal: float | None = None
    peer: float | None = None
    peer_name: str = ""
    better: str = "less"
    note: str = ""

    def __str__(self) -> str:
        cells = [f"{self.measure:<58}", f"{self.ours:>10.4g} {self.unit:<5}"]
        if self.goal is not None:
            met = self.ours <= self.goal if self.better == "less" else self.ours >= self.goal
            cells.append(f"goal {self.goal:g}: {'met' if met else 'MISSED'}".ljust(20))
        if self.peer:
            cells.append(f"{self.peer_name} {self.peer:.4g} {self.unit}, ratio {self.ours / self.peer:.3g}")
        return "  ".join([*cells, self.note]).rstrip()


def median(function: Callable[[], float], runs: int = 5) -> float:
    """The median of several measurements, after one that does not count."""
    function()
    return statistics.median(function() for _ in range(runs))


def wall(command: Sequence[str | Path], runs: int = 7) -> float | None:
    """Median wall seconds of a whole process; None when the program is not there.

    Raises:
        RuntimeError: the command failed.
    """
    if not Path(command[0]).exists():
        return None

    def once() -> float:
        start = time.perf_counter()
        done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
        if done.returncode not in (0, None):
            raise RuntimeError(f"{command} exited {done.returncode}: {done.stderr.decode()[-500:]}")
        return time.perf_counter() - start

    return median(once, runs)


def flow() -> Path:
    """The `flow` of this environment."""
    return Path(sys.executable).with_name("flow")
