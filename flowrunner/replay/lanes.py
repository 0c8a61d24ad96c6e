"""What went on beside what: only what was one after the other in a run must be so in its replay."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowrunner.engine.lines import Event

_CUT = re.compile(r"[.\[#]")


class Lanes:
    """Jobs, instances of jobs, branches and background commands go on beside each other."""

    def __init__(self, journal: Sequence[Event]) -> None:
        started = [event for event in journal if event["event"] == "step.started"]
        self._lanes = {e["path"] for e in started if e["action"] in ("job", "branch") or e["background"]}
        self._background = {e["path"] for e in started if e["background"]}

    def of(self, path: str) -> tuple[str, ...]:
        """The lanes that `path` is in, outermost first."""
        cuts = [*(hit.start() for hit in _CUT.finditer(path)), len(path)]
        return tuple(path[:cut] for cut in cuts if path[:cut] in self._lanes)

    def beside(self, one: str, other: str) -> bool:
        """Whether what two steps did may come in either order."""
        a, b = self.of(one), self.of(other)
        if a == b:
            return False
        if self._background & ({*a} ^ {*b}):
            return True
        shorter = min(len(a), len(b))
        return a[:shorter] != b[:shorter]
