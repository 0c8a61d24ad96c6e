"""When to look for the next ACK at once, instead of letting the event loop wait for it."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

LOOK = 60e-6
"""Seconds without an ACK after which the event loop waits for it."""

TURN = 2e-3
"""Seconds after which the event loop has its turn in any case."""

TRUST = 8
"""How many times in a row looking may be in vain before it ends."""


class Eager:
    """Looks for a short while after each block that was sent.

    A client on a fast link acknowledges within some ten microseconds, and one block at a time is all that most boot
    loaders can do: to sleep and be woken would take as long as the rest. It is done only by the one transfer there is,
    and only as long as it pays off.
    """

    transfers: ClassVar[int] = 0
    """How many transfers there are in this process."""

    def __init__(self) -> None:
        self._trust = TRUST
        self._sent = self._turn = self._until = 0.0

    def begin(self) -> None:
        """The event loop called: there is something to read."""
        self._turn = monotonic() + TURN
        self._until = 0.0

    def sent(self, now: float) -> None:
        """A block was sent at this time."""
        self._sent = now
        looks = self._trust > 0 and now < self._turn and Eager.transfers == 1
        self._until = now + LOOK if looks else 0.0

    def answered(self, now: float) -> None:
        """Its ACK came."""
        if now - self._sent < LOOK and self._trust < TRUST:
            self._trust += 1

    def goes_on(self) -> bool:
        """Whether to look once more, now that there was nothing."""
        if not self._until:
            return False
        if monotonic() < self._until:
            return True
        self._trust -= 1
        return False
