"""A rollout from its frozen fleet to its end: waves with soak, gate and approval; halts, and what is done then."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import anyio

from flowrunner.engine.names import seconds
from flowrunner.engine.record import begin, finish
from flowrunner.engine.result import Result, of_error
from flowrunner.engine.rollout.approval import LOOK_EVERY, Asked, decision
from flowrunner.engine.rollout.fleet import Fleet, Turn, wave_ends
from flowrunner.engine.rollout.past import RolloutPast
from flowrunner.engine.rollout.rollback import undo
from flowrunner.engine.rollout.room import Room
from flowrunner.engine.rollout.turns import Tried, Turns
from flowrunner.engine.rollout.wave import WaveRun
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import FlowrunnerError
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import DeviceRequest, Job, Rollout, Wave

PIECE = 250
"""Members in one line of the journal."""

STATES = {"pause": "paused", "abort": "aborted", "rollback": "rolled back"}
"""What a rollout is when it was halted."""


@dataclass(frozen=True, slots=True)
class Halted:
    """Why a rollout stops: `state` is what it is then."""

    result: Result
    state: str


async def run_rollout(run: Run, site: Site, job: Job, tried: Tried) -> tuple[Result, int]:
    """Roll `job` out; its outputs are lists in the order of the fleet.

    The outcome is that of its devices: failed before errored before canceled before passed.
    """
    assert job.rollout is not None
    path = site.path(job)
    past = run.past.rollout(path) if run.past else RolloutPast()
    try:
        fleet = _frozen(run, job, job.rollout, past)
    except FlowrunnerError as error:
        return of_error(error, kind="setup", path=path, where=job.rollout.where), 1
    turns = Turns(run, site, job, job.rollout, fleet, tried)
    return await _Story(turns, past).tell(), 1


def _frozen(run: Run, job: Job, rollout: Rollout, past: RolloutPast) -> Fleet:
    """The fleet: as it was listed before, else as the lab has it now."""
    if past.complete:
        return Fleet.freeze(rollout.fleet, past.members, rollout.waves)
    request: DeviceRequest = next(one for one in job.scope.devices if one.role == rollout.role)
    return Fleet.freeze(rollout.fleet, run.lab.members(request), rollout.waves)


class _Story:
    def __init__(self, turns: Turns, past: RolloutPast) -> None:
        self._turns = turns
        self._fleet = turns.fleet
        self._rollout = turns.rollout
        self._past = past
        self._room = Room(turns.fleet.turns, turns.rollout.unavailable)
        self._halted: Halted | None = None
        self._order: list[Turn] = []
        self._heard = 0  # verdicts that are no news: somebody knew of them and let it go on
        self._remember()

    def _remember(self) -> None:
        """Put every device where the journal left it."""
        past, turns = self._past, self._fleet.turns
        for index, attempt in past.attempts.items():
            turn = turns[index]
            turn.attempt, turn.began, turn.again = attempt, index in past.began, index not in past.tried
            self._fleet.started(turn)
            self._room.leave(turn)
        for index, event in past.finished.items():
            result = self._ended(turns[index], event)
            self._fleet.ended(turns[index], result)
            if result.outcome in (Outcome.PASSED, Outcome.SKIPPED):
                self._room.back(turns[index])
        self._order = [turns[index] for index in past.order]

    def _ended(self, turn: Turn, event: Any) -> Result:
        run = self._turns.run
        kept = run.past.kept(self._turns.of(turn), self._turns.job) if run.past else None
        return kept or _result(event)

    async def tell(self) -> Result:
        turns, past = self._turns, self._past
        if not past.complete:
            self._list()
        for index in past.finished:
            turns.run.journal.write("step.restored", path=turns.of(self._fleet.turns[index]))
        if past.halted is not None:
            self._take_up_halt(past.halted)
        for number, wave in enumerate(self._rollout.waves):
            if self._halted is None and not past.passed(wave.name, "passed"):
                await self._wave(number, wave)
        state = await self._end()
        turns.write("rollout.finished", durable=True, state=state, **self._fleet.counts.view())
        return self._verdict(state)

    def _list(self) -> None:
        """Journal the fleet, and the waves that it is cut into, before anything is touched."""
        members = self._fleet.turns
        for first in range(0, len(members), PIECE):
            part = [{"name": t.member.name, "labels": dict(t.member.labels)} for t in members[first : first + PIECE]]
            self._turns.write("rollout.members", first=first, members=part)
        ends = [0, *wave_ends(self._rollout.waves, len(members))]
        waves = [
            {"name": wave.name, "number": n + 1, "size": ends[n + 1] - ends[n], "approve": wave.approve,
             "gate": wave.gate is not None}
            for n, wave in enumerate(self._rollout.waves)
        ]  # fmt: skip
        rule = self._rollout.unavailable
        self._turns.write(
            "rollout.started", durable=True, fleet=self._rollout.fleet, size=len(members), waves=waves,
            max_parallel=self._rollout.max_parallel, max_unavailable=asdict(rule) if rule else None,
            on_halt=self._rollout.on_halt, plan=self._turns.run.plan.digest,
        )  # fmt: skip

    def _take_up_halt(self, event: Any) -> None:
        """A halt that was taken before: a rollback is gone on with, a pause ends because somebody resumed it."""
        if event["action"] == "rollback":
            self._halted = Halted(_result(event), STATES["rollback"])
            return
        self._heard = self._bad()
        self._turns.write("rollout.continued", durable=True, wave=event["wave"], by=str(self._turns.run.owner))

    async def _wave(self, number: int, wave: Wave) -> None:
        """One wave with what is before and behind it."""
        passed = lambda part: self._past.passed(wave.name, part)  # noqa: E731
        if wave.approve and not passed("approved") and not await self._approved(number, wave):
            return
        if not passed("started"):
            self._write("started", wave, size=len(self._fleet.of_wave[number]), durable=True)
        if not passed("finished") and not await self._devices(number, wave):
            return
        if wave.soak is not None and not passed("soaked") and not await self._soaked(wave):
            return
        if wave.gate is not None and not await self._gate(number, wave):
            return
        self._write("passed", wave, durable=True)

    def _write(self, part: str, wave: Wave, *, durable: bool = False, **fields: Any) -> None:
        self._turns.write(f"wave.{part}", durable=durable, wave=wave.name, **fields)

    async def _approved(self, number: int, wave: Wave) -> bool:
        """Wait until somebody says yes to this wave of this plan."""
        run, halt = self._turns.run, self._turns.site.halt
        asked = Asked(job=self._turns.path, wave=wave.name, plan=run.plan.digest)
        self._turns.write(
            "approval.requested", durable=True, wave=wave.name, plan=asked.plan,
            size=len(self._fleet.of_wave[number]), **{k: v for k, v in self._fleet.counts.view().items() if k != "size"},
        )  # fmt: skip
        while (said := decision(run.folder, asked)) is None:
            if await halt.sleep(LOOK_EVERY) or self._late():
                self._stop_as_asked()
                return False
        self._turns.write(
            "approval.given", durable=True, wave=wave.name, plan=asked.plan, by=said["by"], at=said["at"]
        )
        return True

    async def _devices(self, number: int, wave: Wave) -> bool:
        """Give each device of the wave its turn."""
        mine = [turn for turn in self._fleet.of_wave[number] if turn.result is None]
        working = WaveRun(self._turns, self._room, mine, lambda turn: self._judge(number, turn))
        left = await working.run()
        self._order += working.order
        if self._halted is not None:
            return False
        if self._turns.site.halt.reason or self._late() or any(turn.again for turn in mine):
            self._stop_as_asked()
            return False
        for turn in left:
            self._turns.leave_out(turn, self._room.why_full(turn))
        self._write("finished", wave, durable=True, **self._fleet.by_wave[number].view())
        return True

    async def _soaked(self, wave: Wave) -> bool:
        pause = seconds(wave.soak, self._turns.site.frame)
        self._write("soaking", wave, seconds=pause)
        with anyio.move_on_at(self._turns.site.limit.at if self._turns.site.limit else float("inf")):
            await self._turns.site.halt.sleep(pause or 0)
        if self._turns.site.halt.reason or self._late():
            self._stop_as_asked()
            return False
        self._write("soaked", wave, seconds=pause)
        return True

    async def _gate(self, number: int, wave: Wave) -> bool:
        """Run the gate's steps; what does not pass there halts the rollout."""
        assert wave.gate is not None
        run, gate = self._turns.run, wave.gate
        site = replace(self._turns.site, frame=self._turns.site.frame.inner(apart=True, **self._fleet.counted(number)))
        started = begin(run, site, gate)
        result, _ = await self._turns.tried(run, site, gate)
        finish(run, site, gate, result, started=started)
        if self._turns.site.halt.reason:
            self._stop_as_asked()
        elif not result.good:
            self._halt(wave, replace(result, message=f"the gate of '{wave.name}' did not pass: {result.message}"))
        return self._halted is None

    def _judge(self, number: int, turn: Turn) -> bool:
        """Look at the conditions after a verdict; says whether the rollout goes on."""
        if self._halted is not None:
            return False
        if self._bad() <= self._heard:
            return True
        names = {**self._turns.site.frame.names(), **self._fleet.counted(number)}
        for condition in self._rollout.halt_when:
            try:
                holds = condition.evaluate(names)
            except FlowrunnerError as error:
                where = condition.where
                self._halt(self._rollout.waves[number], of_error(error, kind="test", path=self._turns.path, where=where))
                return False
            if holds is True:
                self._halt(self._rollout.waves[number], self._reason(number, condition.text, condition.where))
                return False
        return True

    def _reason(self, number: int, text: str, where: Any) -> Result:
        wave, counts = self._rollout.waves[number], self._fleet.by_wave[number]
        outcome = Outcome.FAILED if self._fleet.counts.failed else Outcome.ERRORED
        told = f"{counts.finished} of {counts.size} devices done, {counts.failed} failed, {counts.errored} errored"
        return Result(
            outcome=outcome, path=self._turns.path, cause="unmet", where=where,
            blame="infra" if outcome is Outcome.ERRORED else None,
            message=f"halted in wave '{wave.name}': {text} ({told})",
        )  # fmt: skip

    def _bad(self) -> int:
        return self._fleet.counts.failed + self._fleet.counts.errored

    def _halt(self, wave: Wave, result: Result) -> None:
        """Stop for good reason; what is done then is written down once."""
        action = self._rollout.on_halt
        self._halted = Halted(result, STATES[action])
        self._turns.write(
            "rollout.halted", durable=True, wave=wave.name, action=action, outcome=result.outcome.value,
            message=result.message, blame=result.blame, **self._fleet.counts.view(),
        )  # fmt: skip

    def _late(self) -> bool:
        limit = self._turns.site.limit
        return limit is not None and limit.expired

    def _stop_as_asked(self) -> None:
        """Somebody asked to stop, or time is over: nothing is decided, and `flow resume` goes on."""
        if self._halted is not None:
            return
        reason = self._turns.site.halt.reason
        if reason is None:
            limit = self._turns.site.limit
            what = f"the rollout was not done within {limit.what if limit else 'its time'}"
            reason = Result(outcome=Outcome.ERRORED, cause="timeout", blame="infra", message=what)
        self._halted = Halted(replace(reason, path=reason.path or self._turns.path), "canceled")

    async def _end(self) -> str:
        """Undo what has to be undone, and give those a record that had no turn."""
        if self._halted is None:
            return "complete"
        state = self._halted.state
        if state == STATES["rollback"] and not await undo(self._turns, self._room, self._order, self._past.undone):
            state = "canceled"
        if state in ("aborted", "rolled back"):
            for turn in self._fleet.turns:
                if turn.result is None:
                    self._turns.leave_out(turn, f"the rollout was {state}")
        return state

    def _verdict(self, state: str) -> Result:
        path, counts = self._turns.path, self._fleet.counts
        if self._halted is not None:
            advice = "flow resume goes on with it" if state in ("paused", "canceled") else None
            return replace(self._halted.result, path=path, outputs=self._outputs(), help=advice)
        worst = next((t for o in (Outcome.FAILED, Outcome.ERRORED) for t in self._fleet.turns if _is(t, o)), None)
        left_out = counts.size - counts.finished
        if worst is None and not left_out:
            return Result(outcome=Outcome.PASSED, path=path, outputs=self._outputs())
        told = [f"{n} {word}" for n, word in ((counts.failed, "failed"), (counts.errored, "errored"),
                                              (left_out, "left out")) if n]  # fmt: skip
        outcome = worst.result.outcome if worst and worst.result else Outcome.ERRORED
        return Result(
            outcome=outcome, path=path, cause="unmet", because=self._turns.of(worst) if worst else None,
            blame=(worst.result.blame if worst and worst.result else "infra"), where=self._rollout.where,
            message=f"{', '.join(told)} of {counts.size} devices", outputs=self._outputs(),
        )  # fmt: skip

    def _outputs(self) -> dict[str, list[Any]]:
        return {
            name: [turn.result.outputs.get(name) if turn.result else None for turn in self._fleet.turns]
            for name in self._turns.job.scope.outputs
        }


def _is(turn: Turn, outcome: Outcome) -> bool:
    return turn.result is not None and turn.result.outcome is outcome


def _result(event: Any) -> Result:
    """How something ended, from the journal."""
    return Result(
        outcome=Outcome(event["outcome"]), path=str(event.get("cause") or event["path"]), blame=event.get("blame"),
        message=event.get("message"),
    )  # fmt: skip

