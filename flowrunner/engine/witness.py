"""What stands between a run and the world: it notes what the world did, or does it itself from notes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from flowrunner.device import Device
from flowrunner.engine.lab import Lease
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs, Step

if TYPE_CHECKING:
    from flowrunner.engine.state import Run

CURRENT: ContextVar[str] = ContextVar("current step", default="")
"""The path of the step that runs in this task; empty for what the engine does by itself, such as the safe state."""

JOB: ContextVar[str] = ContextVar("current job", default="")
"""The path of the job that a lab is asked for devices by; empty in a run without jobs."""


class Witness(Protocol):
    """Sees all that a run asks of the world: a recorder writes it down, a replay answers in the world's place."""

    seed: str
    """What chance is drawn from in this run: the same seed gives the same words and pauses."""

    def begin(self, run: Run) -> None:
        """The run starts."""
        ...

    def end(self) -> None:
        """The run has ended."""
        ...

    def device(self, lease: Lease, job: str) -> Device:
        """The device of a lease as the run is to see it."""
        ...

    def console(self, lease: Lease, part: str, name: str) -> None:
        """The console at `part` goes by `name` in this run."""
        ...

    def sent(self, console: str, text: str) -> None:
        """A step is about to send `text`, which is masked, to a console.

        Raises:
            PipelineError: it was something else when this was recorded.
        """
        ...

    def now(self, now: Duration) -> Duration:
        """What a step that looks at the clock is to see; `now` is the time."""
        ...

    async def starting(self) -> None:
        """A step is about to begin."""
        ...

    async def outside(self, step: Step, action: str, context: Context) -> Outputs | None:
        """Run a step that works on more than drivers and consoles."""
        ...
