"""A file as DATA packets, made many at a time: the file's bytes are read right behind their headers."""

from __future__ import annotations

import os
from typing import BinaryIO, Self

from flowrunner_drivers.tftp._options import Agreed
from flowrunner_drivers.tftp._packets import HEADER, Op

BATCH = 1 << 19
"""Bytes that are read at once."""

MOST = 512
"""Packets that are made at once; the system takes 1024 pieces in one read (IOV_MAX)."""


class Content:
    """What is sent of `file`, as was agreed. `size` is in bytes, as it is sent."""

    def __init__(self, file: BinaryIO, agreed: Agreed) -> None:
        blksize = agreed.blksize
        self.agreed = agreed
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._blksize = blksize
        self._next = 1
        self._last = self.size // blksize + 1

    @property
    def ended(self) -> bool:
        """Whether the last packet was made: the one that is not full."""
        return self._next > self._last

    def packets(self) -> list[memoryview]:
        """Make the next packets. Reads from the disk.

        Raises:
            OSError: the file cannot be read, or has become shorter.
        """
        room = self._blksize + HEADER.size
        count = min(max(1, BATCH // room), MOST, self._last - self._next + 1)
        view = memoryview(bytearray(count * room))
        made = [view[start : start + room] for start in range(0, count * room, room)]
        offset = (self._next - 1) * self._blksize
        length = min(count * self._blksize, self.size - offset)
        if length < count * self._blksize:
            made[-1] = made[-1][: room - (count * self._blksize - length)]
        if length and os.preadv(self._file.fileno(), [packet[HEADER.size :] for packet in made], offset) != length:
            raise OSError("the file became shorter while it was sent")
        for number, packet in enumerate(made, self._next):
            HEADER.pack_into(packet, 0, Op.DATA, number & 0xFFFF)
        self._next += count
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Netascii(Content):
    """A text as netascii. `size` grows as it is read."""

    def __init__(self, file: BinaryIO, agreed: Agreed) -> None:
        super().__init__(file, agreed)
        self.size = 0
        self._left = b""
        self._ended = False

    @property
    def ended(self) -> bool:
        return self._ended

    def packets(self) -> list[memoryview]:
        while len(self._left) < self._blksize and not self._ended:
            piece = _converted(self._file.read(BATCH))
            self._left += piece
            self.size += len(piece)
            self._ended = not piece
        whole = len(self._left) // self._blksize * self._blksize
        blocks = [self._left[start : start + self._blksize] for start in range(0, whole, self._blksize)]
        self._left = self._left[whole:]
        if self._ended:
            blocks.append(self._left)
        made = [memoryview(HEADER.pack(Op.DATA, n & 0xFFFF) + data) for n, data in enumerate(blocks, self._next)]
        self._next += len(made)
        return made


def netascii_size(file: BinaryIO) -> int:
    """The size of a text as netascii, in bytes; reads all of it."""
    size = sum(len(_converted(data)) for data in iter(lambda: file.read(BATCH), b""))
    file.seek(0)
    return size


def _converted(data: bytes) -> bytes:
    """A line ends with CR LF, and a CR that is data is CR NUL (RFC 764)."""
    return data.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
