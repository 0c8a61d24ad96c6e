"""Where a replay leaves its recording, and how that is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowrunner.errors import PipelineError


class Diverged(PipelineError):
    """The pipeline asked something else than was asked when this was recorded."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference: what the step at `path` does `now`, and what was done `then` by which step at what time.

    `astray` is the step that had ended in another way before, so that another way was to be expected.
    """

    path: str
    now: str
    then: str | None
    then_path: str | None
    then_t: float
    then_where: str | None
    astray: str | None

    @property
    def what(self) -> str:
        """In one sentence."""
        return f"the replay diverges here: now {self.now}; then {self.then or 'the recording ends'}"

    def lines(self) -> Iterator[str]:
        """Both sides, one below the other."""
        yield f"diverged{f' at {self.path!r}' if self.path else ''}"
        yield f"  now   {self.now}"
        place = f"   step {self.then_path!r}, {self.then_where}, at {self.then_t:.3f}s" if self.then_path else ""
        yield f"  then  {self.then or 'the recording ends'}{place}"
