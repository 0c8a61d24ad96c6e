"""When a rollout stops: its conditions, its gates, whoever asks; and what is done then, which is written down once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from flowrunner.engine.lines import Event
from flowrunner.engine.result import Result, of_error
from flowrunner.engine.rollout.fleet import Turn
from flowrunner.engine.rollout.turns import Turns
from flowrunner.errors import FlowrunnerError
from flowrunner.expressions import Expression
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Wave

State = Literal["complete", "paused", "aborted", "rolled back", "canceled"]
"""What a rollout is in the end; who paused or canceled it can go on."""

_STATES: dict[str, State] = {"pause": "paused", "abort": "aborted", "rollback": "rolled back"}


@dataclass(frozen=True, slots=True)
class Halted:
    """Why a rollout stops: `state` is what it is then."""

    result: Result
    state: State


class Halts:
    """The halt of one rollout; `halted` is None as long as it goes on."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._heard = 0  # verdicts that are no news: somebody knew of them and let it go on
        self.halted: Halted | None = None

    def take_up(self, event: Event) -> None:
        """A halt that an earlier runner took: it stands, but for a pause, which ends because somebody resumed it."""
        if event["action"] != "pause":
            self.halted = Halted(of_event(event), _STATES[event["action"]])
            return
        self._heard = self._bad()
        by = str(self._turns.run.owner)
        self._turns.write("rollout.continued", durable=True, wave=event["wave"], by=by)

    def judge(self, turn: Turn) -> bool:
        """Look at the conditions after a verdict; says whether the rollout goes on."""
        if self.halted is not None:
            return False
        if self._bad() <= self._heard:
            return True
        names = {**self._turns.site.frame.names(), **self._turns.fleet.counted(turn.wave)}
        wave = self._turns.rollout.waves[turn.wave]
        for condition in self._turns.rollout.halt_when:
            try:
                holds = condition.evaluate(names)
            except FlowrunnerError as error:
                self.halt(wave, of_error(error, kind="test", path=self._turns.path, where=condition.where))
                return False
            if holds is True:
                self.halt(wave, self._reason(turn.wave, condition))
                return False
        return True

    def halt(self, wave: Wave, result: Result) -> None:
        """Stop for good reason."""
        action = self._turns.rollout.on_halt
        self.halted = Halted(result, _STATES[action])
        facts = {"action": action, "outcome": result.outcome.value, "message": result.message, "blame": result.blame}
        self._turns.write("rollout.halted", durable=True, wave=wave.name, **facts, **self._turns.counts())

    def asked(self) -> bool:
        """Whether somebody asked to stop, or time is over: nothing is decided then, and `flow resume` goes on."""
        halt, limit = self._turns.site.halt, self._turns.site.limit
        if halt.reason is None and not (limit and limit.expired):
            return False
        if self.halted is None:
            reason = halt.reason
            if reason is None:
                what = f"the rollout was not done within {limit.what if limit else 'its time'}"
                reason = Result(outcome=Outcome.ERRORED, cause="timeout", blame="infra", message=what)
            self.halted = Halted(replace(reason, path=reason.path or self._turns.path), "canceled")
        return True

    def _reason(self, number: int, condition: Expression) -> Result:
        wave, counts = self._turns.rollout.waves[number], self._turns.fleet.by_wave[number]
        outcome = Outcome.FAILED if self._turns.fleet.counts.failed else Outcome.ERRORED
        told = f"{counts.finished} of {counts.size} devices done, {counts.failed} failed, {counts.errored} errored"
        return Result(
            outcome=outcome, path=self._turns.path, cause="unmet", where=condition.where,
            blame="infra" if outcome is Outcome.ERRORED else None,
            message=f"halted in wave '{wave.name}': {condition.text} ({told})",
        )  # fmt: skip

    def _bad(self) -> int:
        return self._turns.fleet.counts.failed + self._turns.fleet.counts.errored


def of_event(event: Event) -> Result:
    """How something ended, from the journal."""
    return Result(
        outcome=Outcome(event["outcome"]), path=str(event.get("cause") or event["path"]), blame=event.get("blame"),
        message=event.get("message"),
    )  # fmt: skip
