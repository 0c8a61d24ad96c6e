"""One wave: as many devices at work as may be, until all of them had their turn or the rollout halts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from flowrunner.engine.result import Result
from flowrunner.engine.rollout.fleet import Turn
from flowrunner.engine.rollout.room import Line, Room
from flowrunner.engine.rollout.turns import Turns
from flowrunner.model import Duration, Outcome

Judge = Callable[[Turn], bool]
"""Told of each verdict; says whether the rollout goes on."""


class WaveRun:
    """The devices of one wave at work. `halted` keeps further ones from starting; `order` is that of first starts."""

    def __init__(self, turns: Turns, room: Room, wave: Sequence[Turn], judge: Judge) -> None:
        self._turns = turns
        self._room = room
        self._judge = judge
        self._most = turns.rollout.max_parallel or len(wave) or 1
        self._line = Line(room, (turn for turn in wave if not turn.attempt))
        self._working: dict[int, Turn] = {}
        self._pausing: dict[int, tuple[asyncio.TimerHandle | None, Result]] = {}
        self._changed = asyncio.Event()
        self._started: dict[int, float] = {}
        self.halted = False
        self.order: list[Turn] = []
        for turn in wave:
            if turn.attempt:  # it was under way when the runner died, or waited for another attempt
                room.leave(turn)
                self._line.put_back(turn)

    async def run(self) -> list[Turn]:
        """Run all of it; returns those that had no turn."""
        unsubscribe = self._turns.site.halt.subscribe(lambda _: self._changed.set())
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    while self._may_start() and (turn := self._line.take()):
                        self._working[turn.index] = turn
                        tasks.create_task(self._one(turn))
                    if not self._may_go_on():
                        self._drop_pauses()
                    if not self._working and not self._pausing:
                        return self._line.rest()
                    await self._changed.wait()
                    self._changed.clear()
        finally:
            unsubscribe()

    def _may_go_on(self) -> bool:
        limit = self._turns.site.limit
        return not (self.halted or self._turns.site.halt.reason or (limit and limit.expired))

    def _may_start(self) -> bool:
        return len(self._working) < self._most and self._may_go_on()

    async def _one(self, turn: Turn) -> None:
        if not turn.attempt:
            self._turns.fleet.started(turn)
            self.order.append(turn)
        self._turns.start(turn)
        self._started.setdefault(turn.index, self._turns.run.clock.now())
        result, pause = await self._turns.attempt(turn)
        if pause is not None and self._may_go_on():
            self._defer(turn, result, pause)
        else:
            self._end(turn, result)
        del self._working[turn.index]
        self._changed.set()

    def _defer(self, turn: Turn, result: Result, pause: Duration) -> None:
        """Give the slot to others until the next attempt is due."""
        self._turns.tell("device.deferred", turn, attempt=turn.attempt, pause=pause, outcome=result.outcome.value,
                          blame=result.blame, message=result.message)  # fmt: skip
        handle = asyncio.get_running_loop().call_later(pause, self._due, turn)
        self._pausing[turn.index] = (handle, result)

    def _due(self, turn: Turn) -> None:
        del self._pausing[turn.index]
        self._line.put_back(turn)
        self._changed.set()

    def _drop_pauses(self) -> None:
        """No further attempt will come: what the last one said is the verdict."""
        for index, (handle, result) in list(self._pausing.items()):
            if handle:
                handle.cancel()
            del self._pausing[index]
            self._end(self._turns.fleet.turns[index], result)

    def _end(self, turn: Turn, result: Result) -> None:
        started = self._started.pop(turn.index, None)
        asked = self._turns.site.halt.reason is not None and result.outcome is Outcome.ERRORED
        if asked or result.outcome in (Outcome.CANCELED, Outcome.SKIPPED):
            self._turns.record(turn, result, started=started)  # no verdict: somebody may go on with it
            turn.again = True
            return
        self._turns.finish(turn, result, started)
        self._turns.fleet.ended(turn, result)
        if result.good:
            self._room.back(turn)
            self._line.opened(turn)
        if not self._judge(turn):
            self.halted = True
