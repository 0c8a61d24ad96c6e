"""Which device may start next: in order, as long as not too many are out of service where it is.

Each question takes the same time however many devices wait: those of one place stand in a lane of their own, and only
the heads of lanes with room are compared.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from flowrunner.engine.rollout.fleet import Turn
from flowrunner.pipeline.plan import Unavailable


class Room:
    """How many devices are out of service in each place, and how many may be.

    A device is out of service from its first start until it ended passed; it stays so when it did not.
    """

    def __init__(self, turns: Sequence[Turn], unavailable: Unavailable | None) -> None:
        self._rule = unavailable
        self._sizes = Counter(self.place(turn) for turn in turns)
        self._out: dict[str, set[int]] = defaultdict(set)

    def place(self, turn: Turn) -> str:
        """The value of the label that counts; empty when none does, or the device has none."""
        label = self._rule.label if self._rule else None
        return turn.member.labels.get(label, "") if label else ""

    def limit(self, place: str) -> int | None:
        """How many may be out of service there; None when that is not limited."""
        if self._rule is None:
            return None
        if self._rule.count is not None:
            return self._rule.count
        return max(1, math.floor(self._sizes[place] * (self._rule.percent or 0) / 100))

    def has_room(self, turn: Turn) -> bool:
        """Whether the device may go out of service now."""
        place, limit = self.place(turn), self.limit(self.place(turn))
        return limit is None or self.is_out(turn) or len(self._out[place]) < limit

    def is_out(self, turn: Turn) -> bool:
        """Whether the device is out of service."""
        return turn.index in self._out[self.place(turn)]

    def leave(self, turn: Turn) -> None:
        """The device goes out of service."""
        self._out[self.place(turn)].add(turn.index)

    def back(self, turn: Turn) -> None:
        """The device is in service again."""
        self._out[self.place(turn)].discard(turn.index)

    def why_full(self, turn: Turn) -> str:
        """Why the device cannot start, in words."""
        place, label = self.place(turn), self._rule.label if self._rule else None
        out = len(self._out[place])
        where = f" at {label}={place or 'none'}" if label else ""
        return f"{out} {'device is' if out == 1 else 'devices are'} out of service{where}, and no more may be"


Lane = tuple[str, bool]
"""A place, and whether those who wait there are out of service already: they take no more room."""


class Line:
    """Turns that wait, first come, first served as far as there is room."""

    def __init__(self, room: Room, turns: Iterable[Turn]) -> None:
        self._room = room
        self._lanes: dict[Lane, deque[tuple[int, Turn]]] = defaultdict(deque)
        self._heads: list[tuple[int, Lane]] = []
        self._parked: set[Lane] = set()
        self._again: deque[Turn] = deque()
        for order, turn in enumerate(turns):
            self._lanes[room.place(turn), room.is_out(turn)].append((order, turn))
        for lane in self._lanes:
            self._show(lane)

    def _show(self, lane: Lane) -> None:
        if self._lanes[lane]:
            heapq.heappush(self._heads, (self._lanes[lane][0][0], lane))

    def put_back(self, turn: Turn) -> None:
        """A device that is out of service already is ready for another attempt; it goes first."""
        self._again.append(turn)

    def opened(self, turn: Turn) -> None:
        """There may be room again where this device is."""
        lane = (self._room.place(turn), False)
        if lane in self._parked:
            self._parked.discard(lane)
            self._show(lane)

    def take(self) -> Turn | None:
        """The next that may start; None when there is none now."""
        if self._again:
            return self._again.popleft()
        while self._heads:
            _, lane = heapq.heappop(self._heads)
            turn = self._lanes[lane][0][1]
            if not self._room.has_room(turn):
                self._parked.add(lane)
                continue
            self._lanes[lane].popleft()
            self._room.leave(turn)
            self._show(lane)
            return turn
        return None

    def rest(self) -> list[Turn]:
        """Those that still wait, in order."""
        return [turn for lane in self._lanes.values() for _, turn in lane] + list(self._again)
