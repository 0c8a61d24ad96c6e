"""The members of a fleet, each with where it stands, and how many ended how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrunner.engine.lab import Member
from flowrunner.engine.result import Result
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Wave


@dataclass(slots=True)
class Turn:
    """One device and its turn: `attempt` counts from 1 once it started, `result` is there when it ended for good.

    `began` says whether its steps had begun: a device that was not reached is as it was before. `again` says that an
    attempt was under way when an earlier runner ended, `shown` whether this runner has recorded the start.
    """

    index: int
    member: Member
    wave: int
    attempt: int = 0
    began: bool = False
    again: bool = False
    shown: bool = False
    result: Result | None = None


@dataclass(slots=True)
class Counts:
    """How many devices of a wave, or of the fleet, started and ended how. `finished` are those with a verdict."""

    size: int
    started: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0

    @property
    def finished(self) -> int:
        """Those that had their turn."""
        return self.passed + self.failed + self.errored

    def add(self, outcome: Outcome) -> None:
        """One more ended."""
        if outcome is Outcome.PASSED:
            self.passed += 1
        elif outcome is Outcome.FAILED:
            self.failed += 1
        elif outcome is Outcome.ERRORED:
            self.errored += 1

    def view(self) -> dict[str, int]:
        """What conditions see."""
        return {
            "size": self.size, "started": self.started, "finished": self.finished, "passed": self.passed,
            "failed": self.failed, "errored": self.errored,
        }  # fmt: skip


@dataclass(slots=True)
class Fleet:
    """All turns in the order of the lab, and the waves that they are in."""

    selector: str
    turns: Sequence[Turn]
    waves: Sequence[Wave]
    counts: Counts = field(init=False)
    by_wave: list[Counts] = field(init=False)
    of_wave: list[list[Turn]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the turns into their waves."""
        self.of_wave = [[] for _ in self.waves]
        for turn in self.turns:
            self.of_wave[turn.wave].append(turn)
        self.counts = Counts(len(self.turns))
        self.by_wave = [Counts(len(turns)) for turns in self.of_wave]

    @classmethod
    def freeze(cls, selector: str, members: Sequence[Member], waves: Sequence[Wave]) -> Fleet:
        """A fleet of these members, in the waves that their order puts them into."""
        ends = wave_ends(waves, len(members))
        turns, wave = [], 0
        for index, member in enumerate(members):
            while index >= ends[wave]:
                wave += 1
            turns.append(Turn(index, member, wave))
        return cls(selector, turns, waves)

    def started(self, turn: Turn) -> None:
        """A device had its first start."""
        for counts in (self.counts, self.by_wave[turn.wave]):
            counts.started += 1

    def ended(self, turn: Turn, result: Result) -> None:
        """A device has its verdict."""
        turn.result = result
        for counts in (self.counts, self.by_wave[turn.wave]):
            counts.add(result.outcome)

    def names(self, wave: int) -> dict[str, Any]:
        """`wave` and `fleet` as the steps of a device see them."""
        return {
            "wave": {"name": self.waves[wave].name, "number": wave + 1, "size": self.by_wave[wave].size},
            "fleet": {"selector": self.selector, "size": self.counts.size},
        }

    def counted(self, wave: int) -> dict[str, Mapping[str, Any]]:
        """`wave` and `fleet` as conditions and gates see them."""
        known = self.names(wave)
        return {
            "wave": {**known["wave"], **self.by_wave[wave].view()},
            "fleet": {**known["fleet"], **self.counts.view()},
        }


def wave_ends(waves: Sequence[Wave], size: int) -> list[int]:
    """The number of devices that are done behind each wave; a percentage is rounded up."""
    ends: list[int] = []
    for wave in waves:
        before = ends[-1] if ends else 0
        end = before + wave.size if wave.size is not None else math.ceil(round(size * (wave.percent or 0) / 100, 6))
        ends.append(min(max(end, before), size))
    return ends
