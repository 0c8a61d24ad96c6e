"""Which packets of a transfer are on their way, and what an acknowledgement means. Knows no socket and no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice

from flowrunner_drivers.tftp._packets import HEADER, Op

Packet = bytes | memoryview

ACK = int(Op.ACK)

NUMBERS = 1 << 16
"""Block numbers have 16 bits, and start again at 0."""


class Ack(Enum):
    """What an ACK means."""

    NEWS = "news"
    """Blocks arrived: the window moves on."""

    SAME = "same"
    """The one before, again: lost blocks, or an ACK that the network doubled."""

    STALE = "stale"
    """An older one, or nonsense."""


class Window:
    """The packets that were not acknowledged yet, `size` of which may be on their way; of block 0, an OACK, only that.

    `first` is the number of the first of them, counted on where the block numbers of packets start again. `again` is
    how many were sent more than once.
    """

    def __init__(self, first: int, size: int) -> None:
        self.first = first
        self.size = size
        self.sent = 0
        self.again = 0
        self._reached = first
        self._packets: deque[Packet] = deque()

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, packets: Iterable[Packet]) -> None:
        """Packets that come behind the others."""
        self._packets.extend(packets)

    def due(self) -> Iterator[Packet]:
        """The packets that may be sent now, in order; each counts as sent when the next is asked for."""
        while self.sent < min(self.size if self.first else 1, len(self._packets)):
            yield self._packets[self.sent]
            self.sent += 1
            number = self.first + self.sent
            if number <= self._reached:
                self.again += 1
            else:
                self._reached = number

    def rewind(self) -> None:
        """Let all of the window be sent again."""
        self.sent = 0

    def acknowledge(self, number: int) -> Ack:
        """Take the ACK of a block, by its 16 bits. News opens the window anew behind that block (RFC 7440)."""
        arrived = (number - self.first + 1) % NUMBERS
        if arrived == 0:
            return Ack.SAME
        if arrived > self._reached - self.first:
            return Ack.STALE
        for _ in range(arrived):
            self._packets.popleft()
        self.first += arrived
        self.sent = 0
        return Ack.NEWS

    @property
    def in_step(self) -> bool:
        """Whether an ACK is waited for, one block at a time, behind which one packet follows."""
        return self.size == 1 and self.sent == 1 and len(self._packets) > 1

    def steps(self, most: int) -> list[tuple[bytes, Packet]]:
        """While `in_step`, the ACKs that will be waited for, each with the packet that follows it."""
        following = enumerate(islice(self._packets, 1, 1 + most), self.first)
        return [(HEADER.pack(ACK, number % NUMBERS), packet) for number, packet in following]

    def stepped(self, count: int) -> None:
        """The ACKs of so many steps came, and their packets were sent."""
        for _ in range(count):
            self._packets.popleft()
        self.first += count
        self._reached = self.first + 1
