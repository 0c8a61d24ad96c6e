"""One session at the server as a stream of marked pieces (`flowrunner.interfaces.ssh_session`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from flowrunner.interfaces.ssh_session import INPUT, INPUT_ENDS, PIECE, RESIZE, STDERR, STDOUT, ended
from flowrunner.ssh.faults import lost
from flowrunner.ssh.program import Program

MOST = 1 << 20
"""Bytes that wait here before the server is told to wait."""

LINGER = 0.5
"""Seconds of silence after which a command that has ended may be done, though something keeps its outputs open."""

Ask = Callable[[], Awaitable[None]]
"""Asks the server something, and waits for the answer: what it sent before has come then."""

NUMBERS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11, "PIPE": 13, "ALRM": 14,
           "TERM": 15, "USR1": 10, "USR2": 12}  # fmt: skip
"""Signals by the names that SSH has for them (RFC 4254, section 6.10)."""


class Channel(asyncssh.SSHClientSession[bytes]):
    """The stream of one session. Its pieces keep their borders; what was printed comes in the order of the server."""

    datagrams = True

    def __init__(self, where: str, doing: str, program: Program | None, ask: Ask) -> None:
        self._where = where
        self._doing = doing
        self.program = program
        self._ask = ask
        self._channel: Any = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._wake = anyio.Event()
        self._free = anyio.Event()
        self._free.set()
        self.status: int | None = None
        self.closed = anyio.Event()
        self._error: Exception | None = None
        self._told = False

    async def receive(self) -> bytes:
        """The next piece.

        Raises:
            anyio.EndOfStream: all was given.
            BenchError: the connection was lost.
        """
        while not self._pieces:
            if self.closed.is_set():
                return self._end()
            self._wake = anyio.Event()
            with anyio.move_on_after(LINGER if self.status is not None else None) as silence:
                await self._wake.wait()
            if silence.cancelled_caught:
                await self._ask()
                if not self._pieces:
                    return self._end()
        piece = self._pieces.popleft()
        self._size -= len(piece) - 1
        if self._size < MOST // 2:
            self._channel.resume_reading()
        return piece

    async def send(self, data: bytes, /) -> None:
        """Pass a piece on to the session.

        Raises:
            anyio.BrokenResourceError: it has ended.
        """
        letter, rest = data[:1], data[1:]
        await self._free.wait()
        if self.closed.is_set() or self.status is not None:
            raise anyio.BrokenResourceError
        try:
            if letter == INPUT:
                self._channel.write(rest)
            elif letter == INPUT_ENDS:
                self._channel.write_eof()
            elif letter == RESIZE:
                columns, rows = (int(number) for number in rest.split())
                self._channel.change_terminal_size(columns, rows)
        except OSError as error:
            raise anyio.BrokenResourceError from error

    def begin(self) -> None:
        """Give the program to the shell that waits for it."""
        if self.program:
            self._channel.write(self.program.head)

    def close(self) -> None:
        """Hang up; with a terminal the server tells all that runs there."""
        self._channel.close()

    async def number(self) -> int | None:
        """The number of the process, waited for; None when none is told."""
        while self.program and self.program.pid is None and not self.closed.is_set() and self.status is None:
            self._channel.resume_reading()
            self._wake = anyio.Event()
            await self._wake.wait()
        return self.program.pid if self.program else None

    def _end(self) -> bytes:
        """How it ended; told once."""
        if self.program and (held := self.program.rest()):
            return STDERR + held
        if self._told:
            raise anyio.EndOfStream
        if self.status is None:
            raise lost(self._where, self._doing, self._error)
        self._told = True
        return ended(self.status)

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        letter = STDERR if datatype == EXTENDED_DATA_STDERR else STDOUT
        if letter == STDERR and self.program:
            data = self.program.seen(data)
        for start in range(0, len(data), PIECE):
            self._pieces.append(letter + data[start : start + PIECE])
        self._size += len(data)
        if self._size > MOST:
            self._channel.pause_reading()
        self._wake.set()

    def eof_received(self) -> bool:
        return True  # our half stays open

    def exit_status_received(self, status: int) -> None:
        self.status = status
        self._wake.set()
        self._free.set()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.exit_status_received(128 + NUMBERS.get(signal, 0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._error = exc
        self.closed.set()
        self._wake.set()
        self._free.set()

    def pause_writing(self) -> None:
        self._free = anyio.Event()

    def resume_writing(self) -> None:
        self._free.set()
