"""When to wait for the next ACK at once, instead of letting the event loop do it."""

from __future__ import annotations

import socket
import struct
from time import monotonic
from typing import ClassVar

QUICK = 200e-6
"""Seconds within which an ACK makes waiting for it worth while."""

TURN = 2e-3
"""Seconds after which the event loop has its turn in any case."""

TRUST = 4
"""How many times in a row waiting may not pay off before it ends."""

WAIT = struct.pack("@ll", 0, 1000)
"""What the system is asked to wait at most, a millisecond; it takes a tick or two of its clock."""


class Eager:
    """Waits for a moment after each block that was sent.

    A client on a fast link acknowledges within some ten microseconds, and one block at a time is all that most boot
    loaders can do: a round through the event loop would take as long as all the rest. It is done only by the one
    transfer there is, and only as long as it pays off.
    """

    transfers: ClassVar[int] = 0
    """How many transfers there are in this process."""

    def __init__(self, sock: socket.socket) -> None:
        """`sock` must block, except where it is told not to."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, WAIT)
        self._trust = TRUST
        self._turn = 0.0

    def begin(self) -> None:
        """The event loop gives us a turn."""
        self._turn = monotonic() + TURN

    def took(self, seconds: float) -> None:
        """An ACK took so long."""
        if seconds > QUICK:
            self._trust = max(0, self._trust - 1)
        elif self._trust < TRUST:
            self._trust += 1

    def waits(self, now: float) -> bool:
        """Whether to wait for the ACK of the block that was sent `now`."""
        return self._trust > 0 and Eager.transfers == 1 and now < self._turn
