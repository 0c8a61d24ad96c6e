"""The turn of one device: its attempts with their journal, from its first start to its verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.engine.journal import JobJournal, Journal
from flowrunner.engine.lab import NAME_LABEL
from flowrunner.engine.names import seconds
from flowrunner.engine.record import begin, finish, skip
from flowrunner.engine.repeat import limited, next_pause, wanted
from flowrunner.engine.result import Result
from flowrunner.engine.rollout.fleet import Fleet, Turn
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import Block, Job, Rollout, Scope

Tried = Callable[[Run, Site, Block], Awaitable[tuple[Result, int]]]
"""Does a block as often as its `retry` says; gives the result and the number of attempts."""


class _Watched(JobJournal):
    """The journal of a device's turn, which notes whether its steps began."""

    def __init__(self, whole: Journal, job: str) -> None:
        super().__init__(whole, job)
        self.began = False

    def write(self, event: str, *, durable: bool = False, **fields: Any) -> None:
        self.began |= event == "scope.started"
        super().write(event, durable=durable, **fields)


@dataclass(frozen=True, slots=True)
class Turns:
    """What the turns of all devices of one rollout need."""

    run: Run
    site: Site
    job: Job
    rollout: Rollout
    fleet: Fleet
    tried: Tried

    @property
    def path(self) -> str:
        """The path of the job."""
        return self.site.path(self.job)

    def write(self, event: str, *, durable: bool = False, **fields: Any) -> None:
        """Journal an event of the rollout."""
        self.run.journal.write(event, durable=durable, path=self.path, rollout=self.path, **fields)

    def tell(self, event: str, turn: Turn, *, durable: bool = False, **fields: Any) -> None:
        """Journal an event of one device."""
        facts = {"path": self.of(turn), "rollout": self.path, "index": turn.index, "device": turn.member.name}
        self.run.journal.write(event, durable=durable, **facts, **fields)

    def counts(self) -> dict[str, Any]:
        """How many devices of the fleet ended how."""
        return self.fleet.counts.view()

    def of(self, turn: Turn) -> str:
        """The path of a device's turn."""
        return f"{self.path}[{turn.index}]"

    def start(self, turn: Turn) -> None:
        """Journal that a device goes out of service: before anything is done with it."""
        if turn.again:
            self.tell("device.resumed", turn, attempt=turn.attempt)
        else:
            turn.attempt += 1
            self.tell("device.started", turn, wave=self.fleet.waves[turn.wave].name, attempt=turn.attempt)
        if not turn.shown:
            turn.shown = True
            begin(self.run, self._site(turn), self._node(turn))

    async def attempt(self, turn: Turn) -> tuple[Result, Duration | None]:
        """One attempt: how it ended, and the pause before the next one if one is due."""
        turn.again = False
        site, retry = self._site(turn), self.job.retry
        node = replace(self._node(turn), scope=self.filled(self.job.scope, turn), retry=None)
        journal = _Watched(self.run.journal, self.of(turn))
        run = replace(self.run, journal=journal, job=self.of(turn))
        if retry is None:
            result, _ = await self.tried(run, site, node)
            turn.began |= journal.began
            return result, None
        here = replace(site, instance=f"{self.of(turn)}#{turn.attempt}", frame=site.frame.inner(attempt=turn.attempt))
        here = limited(here, seconds(retry.attempt_timeout, site.frame), "attempt_timeout")
        run.journal.write("attempt.started", path=self.of(turn), attempt=turn.attempt)
        result, _ = await self.tried(run, here, node)
        turn.began |= journal.began
        again = turn.attempt < retry.attempts and wanted(result, retry, self.job) and not site.halt.reason
        pause = next_pause(retry.backoff, turn.attempt, site.limit, f"{run.seed} {self.of(turn)}") if again else None
        brief = {name: result.facts()[name] for name in ("outcome", "cause", "blame", "message")}
        run.journal.write("attempt.finished", path=self.of(turn), attempt=turn.attempt, pause=pause, **brief)
        return result, pause

    def finish(self, turn: Turn, result: Result, started: float | None) -> None:
        """Journal the verdict."""
        self.record(turn, result, started=started)
        self.tell(
            "device.finished", turn, durable=True, wave=self.fleet.waves[turn.wave].name, outcome=result.outcome.value,
            blame=result.blame, message=result.message or result.because, cause=result.path, began=turn.began,
            attempts=turn.attempt,
        )  # fmt: skip

    def record(self, turn: Turn, result: Result, *, started: float | None) -> None:
        """The final record of the device's node."""
        finish(self.run, self._site(turn), self._node(turn), result, started=started, attempts=max(turn.attempt, 1))

    def leave_out(self, turn: Turn, why: str) -> None:
        """Journal that a device has no turn at all, or none any more when an earlier runner had begun with it."""
        if turn.attempt:
            what = f"its turn was not over when the runner ended, and {why}"
            broken = Result(outcome=Outcome.ERRORED, path=self.of(turn), cause="cancel", blame="infra", message=what)
            self.finish(turn, broken, None)
            self.fleet.ended(turn, broken)
            return
        result = Result(outcome=Outcome.SKIPPED, path=self.of(turn), cause="dependency", because=why)
        skip(self.run, self._site(turn), replace(self._node(turn), scope=replace(self.job.scope, steps=())), result)
        turn.result = result
        self.tell(
            "device.finished", turn, wave=self.fleet.waves[turn.wave].name, outcome="skipped", blame=None, message=why,
            cause=None, began=turn.began, attempts=turn.attempt,
        )  # fmt: skip

    def filled(self, scope: Scope, turn: Turn) -> Scope:
        """`scope` with this device in the role of the fleet."""
        chosen = f"{NAME_LABEL}={turn.member.name}"
        devices = (replace(d, selector=chosen) if d.role == self.rollout.role else d for d in scope.devices)
        return replace(scope, devices=tuple(devices))

    def _site(self, turn: Turn) -> Site:
        frame = self.site.frame.inner(apart=True, **self.fleet.names(turn.wave))
        return replace(self.site, frame=frame, plan=self.job.path, instance=self.of(turn))

    def _node(self, turn: Turn) -> Job:
        return replace(self.job, id=None, name=turn.member.name, action="device", rollout=None)
