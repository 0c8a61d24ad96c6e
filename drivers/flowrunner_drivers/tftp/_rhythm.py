"""When what was sent, and what that says of an acknowledgement that comes again. Knows no socket; times are seconds."""

from __future__ import annotations


class Rhythm:
    """The times of one transfer. `sent` is when the last packet left; `slowest` is longer than any answer takes."""

    def __init__(self, slowest: float) -> None:
        self.sent = 0.0
        self._began = 0.0
        self._quickest = slowest
        self._again = False

    def begins(self, now: float) -> None:
        """A window begins to be sent."""
        self._began = now

    def news(self, now: float) -> None:
        """An ACK of something new came."""
        self._again = False
        self._quickest = min(self._quickest, now - self.sent)

    def lost(self, now: float) -> bool:
        """Whether the ACK before the window means, when it comes again, that the window's first block was lost.

        Not when it comes sooner than an answer can: then the network doubled it. One answer to it is enough. This is
        for windows; one block at a time is never sent again for an ACK (RFC 1123, section 4.2.3.1).
        """
        if self._again or now - self._began < self._quickest / 2:
            return False
        self._again = True
        return True
