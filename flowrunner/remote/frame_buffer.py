"""What waits in a byte stream: pieces to be sent, and what was received."""

from __future__ import annotations

from collections import deque

from flowrunner.remote.frames import FRAME, data_frame

BUFFER = FRAME
"""Bytes that wait in each direction before who sends them has to wait."""

OVERHEAD = 64
"""Bytes that a piece takes besides its content; so empty datagrams fill a buffer, too."""


class Outbox:
    """Pieces that become frames: many small ones one frame, a large one several. `datagrams` are neither."""

    def __init__(self, *, datagrams: bool) -> None:
        self._datagrams = datagrams
        self._pieces: deque[bytes | memoryview] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def full(self) -> bool:
        """Whether who sends has to wait."""
        return self._size >= BUFFER

    def put(self, data: bytes | memoryview) -> None:
        """Keep a piece."""
        self._pieces.append(data)
        self._size += len(data) + OVERHEAD

    def frame(self) -> bytes:
        """What waits, as far as one frame takes it."""
        pieces = [self._pieces.popleft()]
        size = len(pieces[0])
        while size < FRAME and self._pieces and not self._datagrams:
            pieces.append(self._pieces.popleft())
            size += len(pieces[-1])
        self._size -= size + OVERHEAD * len(pieces)
        if size > FRAME:
            last = memoryview(pieces[-1])
            fits = len(last) - (size - FRAME)
            pieces[-1], size = last[:fits], FRAME
            self._pieces.appendleft(last[fits:])
            self._size += len(last) - fits + OVERHEAD
        return data_frame(pieces, size)


class Inbox:
    """The content of frames, until somebody receives it: all in one, or `datagrams` one by one."""

    def __init__(self, *, datagrams: bool) -> None:
        self._datagrams = datagrams
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def full(self) -> bool:
        """Whether reading has to wait."""
        return self._size >= BUFFER

    def put(self, data: bytes) -> None:
        """Keep the content of a frame."""
        self._pieces.append(data)
        self._size += len(data) + OVERHEAD

    def take(self) -> bytes:
        """All that came, or the first datagram."""
        if self._datagrams or len(self._pieces) == 1:
            data = self._pieces.popleft()
            self._size -= len(data) + OVERHEAD
            return data
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return data
