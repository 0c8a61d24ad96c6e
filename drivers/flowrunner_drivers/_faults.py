"""Faults on purpose: what a virtual device does wrong, so that a pipeline can be tried against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import anyio
from pydantic import Field, model_validator

from flowrunner.driver import Config
from flowrunner.errors import BenchError, Blame
from flowrunner.model import Seconds


class Fault(Config):
    """One fault: at the `at`-th call of `call`, and for `times` calls, be late, then fail or hang."""

    call: str
    """The method that it befalls, such as `on`."""

    at: int = Field(default=1, ge=1)
    """Which call of that method, counted from 1."""

    times: int | None = Field(default=1, ge=1)
    """How many calls one after the other; null for all from then on."""

    delay: Seconds = 0.0
    """Seconds that the call takes longer."""

    fail: str | None = None
    """What the error says that the call then raises."""

    blame: Blame = "device"
    """Whose fault that error is."""

    hang: bool = False
    """Whether the call never returns."""

    @model_validator(mode="after")
    def _does_something(self) -> Fault:
        if not (self.delay or self.fail or self.hang):
            raise ValueError("a fault needs delay, fail or hang")
        return self

    def befalls(self, count: int) -> bool:
        """Whether the call with this number is hit."""
        return count >= self.at and (self.times is None or count < self.at + self.times)


class Faults:
    """Counts calls, and lets the faults happen that are due."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._counts: Counter[str] = Counter()

    async def strike(self, call: str) -> None:
        """To be awaited first in each call of that name.

        Raises:
            BenchError: a fault says so.
        """
        self._counts[call] += 1
        for fault in self._faults:
            if fault.call == call and fault.befalls(self._counts[call]):
                await anyio.sleep(fault.delay)
                if fault.hang:
                    await anyio.sleep_forever()
                if fault.fail:
                    raise BenchError(fault.fail, blame=fault.blame)
