"""What goes over the stream of an SSH session: pieces with a letter in front that says what they are."""

from __future__ import annotations

import json

import anyio
from pydantic import BaseModel

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream

PIECE = 1 << 16
"""Bytes of one piece at most."""

INPUT, INPUT_ENDS, RESIZE = b"I", b"X", b"W"
"""To the device: standard input, its end, and the size of the terminal as `columns rows`."""

STDOUT, STDERR, ENDED = b"O", b"E", b"S"
"""From the device: its outputs, and at last how the command ended, as JSON."""


class SshOutput(BaseModel):
    """A piece of a command's output; `status` comes with the last one only, 128+n when signal n ended the command."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int | None = None


class Session:
    """The job's end of a session's stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """Send `data` to its standard input.

        Raises:
            anyio.BrokenResourceError: the session has ended.
        """
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            await self._stream.send(INPUT + view[start : start + PIECE])

    async def end_input(self) -> None:
        """End its standard input."""
        await self._stream.send(INPUT_ENDS)

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the terminal."""
        await self._stream.send(RESIZE + f"{columns} {rows}".encode())

    async def receive(self) -> SshOutput:
        """The next piece.

        Raises:
            anyio.EndOfStream: the last piece was given already.
            BenchError: the connection was lost.
        """
        piece = await self._stream.receive()
        letter, data = piece[:1], piece[1:]
        if letter == STDOUT:
            return SshOutput(stdout=data)
        if letter == STDERR:
            return SshOutput(stderr=data)
        if letter == ENDED:
            return SshOutput(status=int(json.loads(data)["status"]))
        raise BenchError("the SSH session said something that is not understood", blame="internal")

    async def fed(self, data: bytes | None) -> None:
        """Send all of the input, and its end; a command that takes no more is no error."""
        try:
            await self.send(data or b"")
            await self.end_input()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


def ended(status: int) -> bytes:
    """The piece that says how a command ended."""
    return ENDED + json.dumps({"status": status}).encode()
