"""Before the first device is touched: the fleet as it is frozen and listed, or as an earlier runner left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from flowrunner.engine.lines import Event
from flowrunner.engine.result import Result
from flowrunner.engine.rollout.fleet import Fleet, Turn, wave_ends
from flowrunner.engine.rollout.halts import of_event
from flowrunner.engine.rollout.past import RolloutPast
from flowrunner.engine.rollout.room import Room
from flowrunner.engine.rollout.turns import Turns
from flowrunner.engine.state import Run
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Job, Rollout

PIECE = 250
"""Members in one line of the journal."""


def frozen(run: Run, job: Job, rollout: Rollout, past: RolloutPast) -> Fleet:
    """The fleet: as it was listed before, else as the lab has it now.

    Raises:
        PipelineErrors: no exporter is a member, or one lacks what the steps need.
    """
    if past.complete:
        return Fleet.freeze(rollout.fleet, past.members, rollout.waves)
    request = next(one for one in job.scope.devices if one.role == rollout.role)
    return Fleet.freeze(rollout.fleet, run.lab.members(request), rollout.waves)


def list_fleet(turns: Turns) -> None:
    """Journal the members, and the waves that they are cut into."""
    members, rollout = turns.fleet.turns, turns.rollout
    for first in range(0, len(members), PIECE):
        part = [{"name": t.member.name, "labels": dict(t.member.labels)} for t in members[first : first + PIECE]]
        turns.write("rollout.members", first=first, members=part)
    ends = [0, *wave_ends(rollout.waves, len(members))]
    waves = [
        {"name": wave.name, "number": n + 1, "size": ends[n + 1] - ends[n], "approve": wave.approve,
         "gate": wave.gate is not None}
        for n, wave in enumerate(rollout.waves)
    ]  # fmt: skip
    rule = rollout.unavailable
    turns.write(
        "rollout.started", durable=True, fleet=rollout.fleet, size=len(members), waves=waves,
        max_parallel=rollout.max_parallel, max_unavailable=asdict(rule) if rule else None, on_halt=rollout.on_halt,
        plan=turns.run.plan.digest,
    )  # fmt: skip


def remember(turns: Turns, room: Room, past: RolloutPast) -> Sequence[Turn]:
    """Put every device where the journal left it; returns those that had started, in that order."""
    fleet = turns.fleet
    for index, attempt in past.attempts.items():
        turn = fleet.turns[index]
        turn.attempt, turn.began, turn.again = attempt, index in past.began, index not in past.tried
        fleet.started(turn)
        room.leave(turn)
    for index, event in past.finished.items():
        result = _ended(turns, fleet.turns[index], event)
        fleet.ended(fleet.turns[index], result)
        if result.outcome in (Outcome.PASSED, Outcome.SKIPPED):
            room.back(fleet.turns[index])
        turns.run.journal.write("step.restored", path=turns.of(fleet.turns[index]))
    return [fleet.turns[index] for index in past.order]


def _ended(turns: Turns, turn: Turn, event: Event) -> Result:
    kept = turns.run.past.kept(turns.of(turn), turns.job) if turns.run.past else None
    return kept or of_event(event)
