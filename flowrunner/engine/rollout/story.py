"""A rollout from its frozen fleet to its end: waves one after the other, each with approval, soak and gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio

from flowrunner.engine.names import seconds
from flowrunner.engine.record import begin, finish
from flowrunner.engine.result import Result, of_error
from flowrunner.engine.rollout.approval import LOOK_EVERY, Asked, decision
from flowrunner.engine.rollout.halts import Halts, State
from flowrunner.engine.rollout.past import RolloutPast
from flowrunner.engine.rollout.rollback import undo
from flowrunner.engine.rollout.room import Room
from flowrunner.engine.rollout.start import frozen, list_fleet, remember
from flowrunner.engine.rollout.turns import Tried, Turns
from flowrunner.engine.rollout.verdict import verdict
from flowrunner.engine.rollout.wave import WaveRun
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.errors import FlowrunnerError
from flowrunner.pipeline.plan import Job, Wave


async def run_rollout(run: Run, site: Site, job: Job, tried: Tried) -> tuple[Result, int]:
    """Roll `job` out; its outputs are lists in the order of the fleet."""
    assert job.rollout is not None
    path = site.path(job)
    run.journal.group()
    past = run.past.rollout(path) if run.past else RolloutPast()
    try:
        fleet = frozen(run, job, job.rollout, past)
    except FlowrunnerError as error:
        return of_error(error, kind="setup", path=path, where=job.rollout.where), 1
    return await _Story(Turns(run, site, job, job.rollout, fleet, tried), past).tell(), 1


class _Story:
    def __init__(self, turns: Turns, past: RolloutPast) -> None:
        self._turns = turns
        self._past = past
        self._room = Room(turns.fleet.turns, turns.rollout.unavailable)
        self._halts = Halts(turns)
        self._order = list(remember(turns, self._room, past))

    async def tell(self) -> Result:
        turns, past = self._turns, self._past
        if not past.complete:
            list_fleet(turns)
        if past.halted is not None:
            self._halts.take_up(past.halted)
        for number, wave in enumerate(turns.rollout.waves):
            if self._halts.halted is None and not past.passed(wave.name, "passed"):
                await self._wave(number, wave)
        state = await self._end()
        turns.write("rollout.finished", durable=True, state=state, **turns.counts())
        return verdict(turns, self._halts.halted)

    async def _wave(self, number: int, wave: Wave) -> None:
        """One wave with what is before and behind it, as far as that is not behind us."""
        yes = f"approved {self._turns.run.plan.digest}"  # one to another plan is none
        if wave.approve and not self._past.passed(wave.name, yes) and not await self._approved(number, wave):
            return
        if not self._past.passed(wave.name, "started"):
            self._write("started", wave, size=self._turns.fleet.by_wave[number].size)
        if not self._past.passed(wave.name, "finished") and not await self._devices(number, wave):
            return
        if wave.soak is not None and not self._past.passed(wave.name, "soaked") and not await self._soaked(wave):
            return
        if wave.gate is None or await self._gate(number, wave):
            self._write("passed", wave)

    def _write(self, part: str, wave: Wave, **fields: Any) -> None:
        self._turns.write(f"wave.{part}", durable=True, wave=wave.name, **fields)

    async def _approved(self, number: int, wave: Wave) -> bool:
        """Wait until somebody says yes to this wave of this plan."""
        run, fleet = self._turns.run, self._turns.fleet
        asked = Asked(job=self._turns.path, wave=wave.name, plan=run.plan.digest)
        facts = {"wave": wave.name, "plan": asked.plan, "devices": fleet.by_wave[number].size}
        self._turns.write("approval.requested", durable=True, **facts, **self._turns.counts())
        while (said := decision(run.folder, asked)) is None:
            await self._turns.site.halt.sleep(LOOK_EVERY)
            if self._halts.asked():
                return False
        facts = {"wave": wave.name, "plan": asked.plan, "by": said["by"], "at": said["at"]}
        self._turns.write("approval.given", durable=True, **facts)
        return True

    async def _devices(self, number: int, wave: Wave) -> bool:
        """Give each device of the wave its turn."""
        mine = [turn for turn in self._turns.fleet.of_wave[number] if turn.result is None]
        working = WaveRun(self._turns, self._room, mine, self._halts.judge)
        left = await working.run()
        self._order += working.order
        if self._halts.halted is not None or self._halts.asked():
            return False
        for turn in left:
            self._turns.leave_out(turn, self._room.why_full(turn))
        self._write("finished", wave, **self._turns.fleet.by_wave[number].view())
        return True

    async def _soaked(self, wave: Wave) -> bool:
        pause = seconds(wave.soak, self._turns.site.frame)
        self._write("soaking", wave, seconds=pause)
        with anyio.move_on_at(self._turns.site.limit.at if self._turns.site.limit else float("inf")):
            await self._turns.site.halt.sleep(pause or 0)
        if self._halts.asked():
            return False
        self._write("soaked", wave, seconds=pause)
        return True

    async def _gate(self, number: int, wave: Wave) -> bool:
        """Run the gate's steps; what does not pass there halts the rollout."""
        assert wave.gate is not None
        run, gate, site = self._turns.run, wave.gate, self._turns.site
        site = replace(site, frame=site.frame.inner(apart=True, **self._turns.fleet.counted(number)))
        started = begin(run, site, gate)
        result, _ = await self._turns.tried(run, site, gate)
        finish(run, site, gate, result, started=started)
        if not self._halts.asked() and not result.good:
            self._halts.halt(wave, replace(result, message=f"the gate of '{wave.name}' did not pass: {result.message}"))
        return self._halts.halted is None

    async def _end(self) -> State:
        """Undo what has to be undone, and give those a record that had no turn."""
        halted = self._halts.halted
        if halted is None:
            return "complete"
        back = halted.state == "rolled back"
        if back and not await undo(self._turns, self._room, self._order, self._past.undone):
            return "canceled"
        if halted.state in ("aborted", "rolled back"):
            for turn in self._turns.fleet.turns:
                if turn.result is None:
                    self._turns.leave_out(turn, f"the rollout was {halted.state}")
        return halted.state
