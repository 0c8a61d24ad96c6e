"""Replaying: a pipeline asks, and the recording answers as long as it was asked the same."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from flowrunner.device import Device
from flowrunner.engine.lab import Lease
from flowrunner.engine.lines import Event
from flowrunner.engine.result import Result
from flowrunner.engine.state import Run
from flowrunner.engine.witness import CURRENT
from flowrunner.model import Duration, Outcome
from flowrunner.replay.asked import Asked, contrast, words
from flowrunner.replay.divergence import Diverged, Divergence
from flowrunner.replay.recorder import parameters
from flowrunner.replay.taken import ended, tell_again
from flowrunner.replay.tape import Tape
from flowrunner.replay.timeline import Timeline
from flowrunner.step import Context, Outputs, Step

NEAR = 0.25
"""Seconds within which a step is the one that went by that path when it was recorded."""

_BAD = ("failed", "errored", "canceled")


class Replay:
    """Answers a run from a tape."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.seed = str(tape.started.get("id", ""))
        self.divergence: Divergence | None = None
        self.astray: str | None = None
        """The first step that ended in another way than it did then, when it was bad now or then."""
        self.other: tuple[str, str, str] | None = None
        """The same with both outcomes: now and then."""
        self.seconds = 0.0
        """How long it took on its own clock."""
        self.sending: dict[str, deque[Asked]] = defaultdict(deque)
        """What was compared and is about to be sent, by the name that the console had then."""
        self._run: Run | None = None
        self.numbers: dict[int, int] = {}
        """The numbers of leases by the ids of their objects."""
        self._began = {path: deque(times) for path, times in tape.began.items()}
        self._clock = {path: deque(values) for path, values in tape.clock.items()}
        self._outcomes = {e["path"]: e["outcome"] for e in tape.journal if e["event"] == "step.finished"}
        self._consoles: dict[str, tuple[int, str]] = {}
        self._gaps: list[tuple[float, float]] = []
        self._first = 0
        self._outside: Timeline | None = None

    @property
    def run(self) -> Run:
        """The run that is answered; it has begun."""
        assert self._run
        return self._run

    def begin(self, run: Run) -> None:
        self._run = run
        self._outside = self.timeline()
        run.journal.listen(self._heard)

    def end(self) -> None:
        self.seconds = float(self.run.clock.now())

    def timeline(self) -> Timeline:
        """A new timeline on the run's clock."""
        return Timeline(self.run.clock.now)

    def device(self, lease: Lease, job: str) -> Device:
        return lease.device

    def console(self, lease: Lease, part: str, name: str) -> None:
        number = self.numbers[id(lease)]
        then = next((n for n, place in self.tape.consoles.items() if place == (number, part)), name)
        self._consoles[name] = (number, then)

    def sent(self, console: str, text: str) -> None:
        number, then = self._consoles[console]
        asked = self.match("send", number, then, text, None)
        if asked:
            self.sending[then].append(asked)

    def now(self, now: Duration) -> Duration:
        seen = self._clock.get(CURRENT.get())
        if seen and abs(seen[0] - now) < NEAR:
            return Duration(seen.popleft())
        return now

    async def starting(self) -> None:
        """Begin when it began then, if that is now: the time in between was the computer's."""
        began = self._began.get(CURRENT.get())
        if began and abs(began[0] - self.run.clock.now()) < NEAR:
            await self.timeline().until(began.popleft())

    async def outside(self, step: Step, action: str, context: Context) -> Outputs | None:
        assert self._outside
        given = self.run.masker.data(parameters(step, self.run.plan))
        asked = self.match("outside", None, action, "", given)
        assert asked
        await self._outside.arrive(asked.t)
        asked.done.set()
        ending = self.tape.ending(asked.path, asked.t)
        end = float("inf") if ending is None else float(ending["t"])
        for event in self.tape.journal:
            if event.get("path") == asked.path and asked.t <= event["t"] <= end:
                await self._outside.until(event["t"])
                tell_again(event, self.tape.folder, context)
        if ending is None or ending["outcome"] == "canceled":
            await asyncio.Event().wait()
        assert ending
        await self._outside.until(end)
        return ended(step, ending)

    def match(self, kind: str, lease: int | None, target: str, method: str, arguments: Any) -> Asked | None:
        """The place of this question in the recording; None for what the engine asks by itself and did not ask then.

        Raises:
            Diverged: something else was asked then.
        """
        path = CURRENT.get()
        if not path and self.run.body.reason:
            return None
        if self.divergence:
            raise Diverged(self.divergence.what, code="diverged")
        ahead: list[Asked] = []
        for asked in self._left(own=not path):
            if not asked.same(kind, lease, target, method, arguments):
                ahead.append(asked)
                continue
            if self.astray or not path or all(self.tape.lanes.beside(asked.path, one.path) for one in ahead):
                if self.astray and path and ahead:
                    self._leave_out(ahead, asked.t)
                asked.used = True
                return asked
        if not path:
            return None
        raise self.diverged(words(kind, target, method, arguments), ahead[0] if ahead else None)

    def _leave_out(self, ahead: list[Asked], until: float) -> None:
        """What the pipeline does not ask any more, on its other way, and all that came of it, has not happened."""
        for one in ahead:
            one.used = True
            one.done.set()
        self._gaps.append((ahead[0].t, until))

    def left_out(self, t: float) -> bool:
        """Whether what was printed at `t` belongs to what the pipeline left out."""
        return any(start <= t < end for start, end in self._gaps)

    def _left(self, *, own: bool) -> Iterator[Asked]:
        """What was not asked again yet: by the engine itself (`own`), or by steps."""
        every = self.tape.asked
        while self._first < len(every) and every[self._first].used:
            self._first += 1
        for number in range(self._first, len(every)):
            if not every[number].used and bool(every[number].path) is not own:
                yield every[number]

    def diverged(self, now: str, then: Asked | None, path: str | None = None) -> Diverged:
        """End the replay; gives the error to raise."""
        self.note(now, then, path)
        assert self.divergence
        return Diverged(self.divergence.what, code="diverged", help=self._help())

    def note(self, now: str, then: Asked | None, path: str | None = None) -> None:
        """The replay diverges: nothing more of it runs."""
        if self.divergence is None:
            shown = words(then.kind, then.target, then.method, then.arguments) if then else None
            now, shown = contrast(now, shown)
            self.divergence = Divergence(
                CURRENT.get() if path is None else path, now, shown, then.path if then else None,
                then.t if then else self.tape.end, self._place(then), self.astray,
            )  # fmt: skip
            self.run.journal.write(
                "replay.diverged", path=self.divergence.path, now=now, then=shown, then_path=self.divergence.then_path,
                then_t=self.divergence.then_t, then_where=self.divergence.then_where, astray=self.astray,
            )  # fmt: skip
        asyncio.get_running_loop().call_later(0, self._stop)

    def stuck(self) -> None:
        """Nothing can happen any more: what the pipeline waits for never came."""
        left = next(self._left(own=False), None)
        self.note("the pipeline waits for what never comes", left, path="")

    def finished(self, lease: int) -> None:
        """The pipeline gives a device back.

        Raises:
            Diverged: it was asked more, then.
        """
        left = next((asked for asked in self._left(own=False) if asked.lease == lease), None)
        canceled = self.run.body.reason is not None
        if left and not self.divergence and not self.astray and not canceled:
            raise self.diverged("the pipeline is done with the device", left, path="")

    def _stop(self) -> None:
        assert self.divergence
        reason = Result(
            outcome=Outcome.ERRORED, cause="cancel", blame="config", message=self.divergence.what, help=self._help(),
            path=self.divergence.path,
        )  # fmt: skip
        self.run.body.request(reason)
        self.run.last.request(reason)

    def _help(self) -> str | None:
        found = self.divergence
        if found is None or found.then_path is None:
            return None
        return f"in the recording, at {found.then_t:.3f}s, the step was '{found.then_path}' ({found.then_where})"

    def _place(self, then: Asked | None) -> str | None:
        where = self.tape.place(then.path) if then else None
        return f"{where['file']}:{where['line']}:{where['column']}" if where else None

    def _heard(self, event: Event) -> None:
        if event["event"] != "step.finished" or self.astray or self.divergence:
            return
        now, then = event["outcome"], self._outcomes.get(event["path"])
        if then is not None and now != then and (now in _BAD or then in _BAD):
            self.astray = str(event["path"])
            self.other = self.astray, now, then
