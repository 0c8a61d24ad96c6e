"""Undoing a rollout: each device whose steps had begun, the last one that started first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowrunner.engine.lines import Event
from flowrunner.engine.record import begin, finish
from flowrunner.engine.rollout.fleet import Turn
from flowrunner.engine.rollout.room import Line, Room
from flowrunner.engine.rollout.turns import Turns
from flowrunner.model import Outcome


async def undo(turns: Turns, room: Room, order: Sequence[Turn], undone: Mapping[int, Event]) -> bool:
    """Roll back what was begun, in the reverse of `order`; those in `undone` have had it. False: asked to stop.

    A device that would be one too many out of service is passed over until there is room; one for which there never
    is stays as it is, and is listed as skipped.
    """
    for index, event in undone.items():
        turns.run.journal.write("step.restored", path=_path(turns, turns.fleet.turns[index]))
        if event["outcome"] == "passed":
            room.back(turns.fleet.turns[index])
    left = [turn for turn in reversed(order) if turn.began and turn.index not in undone]
    work = _Rollback(turns, room, left)
    await work.run()
    if turns.site.halt.reason:
        return False
    for turn in work.line.rest():
        facts = {"outcome": "skipped", "blame": None, "message": room.why_full(turn)}
        turns.tell("rollback.finished", turn, durable=True, **facts)
    return True


class _Rollback:
    def __init__(self, turns: Turns, room: Room, left: Sequence[Turn]) -> None:
        self._turns = turns
        self._room = room
        self.line = Line(room, left)
        self._working = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        most, halt = self._turns.rollout.max_parallel or len(self._turns.fleet.turns), self._turns.site.halt
        async with asyncio.TaskGroup() as tasks:
            while True:
                while not halt.reason and self._working < most and (turn := self.line.take()):
                    self._working += 1
                    tasks.create_task(self._one(turn))
                if not self._working:
                    return
                await self._changed.wait()
                self._changed.clear()

    async def _one(self, turn: Turn) -> None:
        block = self._turns.rollout.rollback
        assert block is not None
        path = _path(self._turns, turn)
        self._turns.tell("rollback.started", turn)
        frame = self._turns.site.frame.inner(apart=True, **self._turns.fleet.names(turn.wave))
        site = replace(self._turns.site, frame=frame, plan=block.path, instance=path)
        node = replace(block, name=turn.member.name, scope=self._turns.filled(block.scope, turn))
        run = self._turns.run.inside(path)
        started = begin(run, site, node)
        result, _ = await self._turns.tried(run, site, node)
        finish(run, site, node, result, started=started)
        if result.outcome is not Outcome.CANCELED:
            facts = {"outcome": result.outcome.value, "blame": result.blame, "message": result.message}
            self._turns.tell("rollback.finished", turn, durable=True, **facts)
        if result.good:
            self._room.back(turn)
            self.line.opened(turn)
        self._working -= 1
        self._changed.set()


def _path(turns: Turns, turn: Turn) -> str:
    return f"{turns.path}.rollback[{turn.index}]"
