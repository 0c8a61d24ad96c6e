"""One block at a time, at once: without a round through the event loop for each."""

from __future__ import annotations

import socket
import struct
from time import monotonic
from typing import ClassVar

from flowrunner_drivers.tftp._window import Window

LONGEST = 516
"""Bytes of the longest packet that a client sends in a transfer: an ERROR with some text."""

QUICK = 200e-6
"""Seconds within which an ACK makes waiting for it worth while."""

RUN = 64
"""Blocks in a row for which the event loop has to wait."""

TRUST = 4
"""How many runs one after the other may not pay off before it ends."""

WAIT = struct.pack("@ll", 0, 1000)
"""What the system is asked to wait at most, a millisecond; it takes a tick or two of its clock."""


class Lockstep:
    """Waits for a moment for the ACK of each block that it sends.

    A client on a fast link acknowledges within some ten microseconds, and one block at a time is all that most boot
    loaders can do: a round through the event loop would take as long as all the rest. It is done only by the one
    transfer there is, and only as long as it pays off.
    """

    transfers: ClassVar[int] = 0
    """How many transfers there are in this process."""

    def __init__(self, sock: socket.socket, window: Window) -> None:
        """`sock` must block, except where it is told not to."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, WAIT)
        self._socket = sock
        self._window = window
        self._trust = TRUST

    def run(self, sent: float) -> tuple[int, bytes]:
        """As long as the ACK that is waited for comes, send the next block at once; the last one was at `sent`.

        Returns how many were sent, and what came instead of an ACK that was waited for.

        Raises:
            OSError: the client is gone, or the network is down.
        """
        receive, send, now = self._socket.recv, self._socket.send, int(socket.MSG_DONTWAIT)
        flags, done, other = now, 0, b""
        try:
            for ack, following in self._window.steps(RUN if self._trust and Lockstep.transfers == 1 else 1):
                if (packet := receive(LONGEST, flags)) != ack:
                    other = packet
                    break
                send(following, now)
                flags, done = 0, done + 1
        except BlockingIOError:
            pass
        finally:
            self._window.stepped(done)
        if done:
            quick = (monotonic() - sent) / done < QUICK
            self._trust = min(TRUST, self._trust + 1) if quick else max(0, self._trust - 1)
        return done, other
