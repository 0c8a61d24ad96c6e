"""From a recording and a pipeline to the outcome of the replay."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.engine.journal import Listener
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.model import Outcome, Secret
from flowrunner.pipeline.plan import Plan
from flowrunner.replay.clock import run_virtual
from flowrunner.replay.divergence import Divergence
from flowrunner.replay.lab import ReplayLab
from flowrunner.replay.player import Replay
from flowrunner.replay.tape import Tape


@dataclass(frozen=True, slots=True)
class Played:
    """How a replay ended; `astray` is the first step that ended in another way than then."""

    finished: Finished
    seconds: float
    divergence: Divergence | None
    astray: tuple[str, str, str] | None
    """The path, how it ended, and how it ended then."""

    @property
    def unanswered(self) -> bool:
        """Whether the recording, and not the pipeline, decided about the outcome."""
        result = self.finished.result
        return self.divergence is not None and (
            result.outcome is Outcome.CANCELED or result.message == self.divergence.what
        )

    def words(self, took: float) -> Iterator[str]:
        """What is said of it; `took` is in real seconds."""
        yield f"replayed {self.seconds:.1f}s in {took:.2f}s, {self.seconds / max(took, 1e-3):.0f} times as fast"
        if self.astray:
            path, now, then = self.astray
            yield f"'{path}' {now} now, and {then} then"
        if self.divergence:
            yield from self.divergence.lines()


class Player:
    """One replay of one recording."""

    def __init__(
        self, tape: Tape, plan: Plan, secrets: Mapping[str, Secret], runs: Path, *,
        environment: Mapping[str, str] | None = None, facts: Mapping[str, Any] | None = None, fsync: bool = False,
    ) -> None:  # fmt: skip
        """Prepare it.

        Raises:
            PipelineErrors: the pipeline asks for devices that the recording does not have.
        """
        self._tape = tape
        self._replay = Replay(tape)
        lab = ReplayLab(self._replay)
        lab.check(tuple(plan.requests()))
        started = tape.started
        replay = {"run": started.get("id"), "plan": started.get("plan")}
        options = Options(
            ci=bool(started.get("ci")), fsync=fsync, environment=environment or {}, witness=self._replay,
            facts={**(facts or {}), "replay": replay},
        )  # fmt: skip
        self.runner = Runner(plan, secrets, lab, runs, options)

    def _leave(self, number: signal.Signals) -> None:
        """End at once: there is nothing to be cleaned up."""
        self.runner.cancel(number.name)
        self.runner.cancel(number.name)

    def play(self, listeners: Sequence[Listener] = (), *, speed: float | None = None) -> Played:
        """Run the pipeline against the recording, `speed` times as fast as then, or as fast as can be."""

        async def run() -> Finished:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._leave, number)
            for event in self._tape.journal:
                if event["event"] == "cancel.requested":
                    loop.call_at(event["t"], self.runner.cancel, event["by"])
            return await self.runner.run(listeners)

        finished = run_virtual(run, speed=speed, stuck=self._replay.stuck)
        return Played(finished, self._replay.seconds, self._replay.divergence, self._replay.other)
