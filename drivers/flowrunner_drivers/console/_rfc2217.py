"""A port of a terminal server that speaks RFC 2217: opened without touching more of it than was asked for."""

from __future__ import annotations

import queue
import socket
import time
from contextlib import suppress
from typing import Any

from serial import SerialException, rfc2217

from flowrunner.net.dial import set_up

FIRST_LINES = 2.0
"""Seconds that a server may take to tell its modem lines."""


class Rfc2217Port(rfc2217.Serial):
    """pyserial's client, but it throws away nothing at opening, moves only the lines in `told`, and reads to the end.

    Opening one moves DTR and RTS and purges the buffers otherwise: the board is reset, and its first words are lost.
    """

    _socket: socket.socket | None
    _read_buffer: queue.Queue[bytes | None] | None
    _modemstate: int | None

    def __init__(self, url: str, **settings: Any) -> None:
        self.told: set[str] = set()
        self._opening = False
        self.hung_up = False
        """Whether the server had closed the connection when opening was given up."""
        super().__init__(None, **settings)
        self.port = url

    def open(self) -> None:
        """Connect and negotiate.

        Raises:
            SerialException: nobody answers, or not as RFC 2217 says.
        """
        self._opening = True
        try:
            super().open()
            if self._socket:
                set_up(self._socket)
        finally:
            self._opening = False

    def reset_input_buffer(self) -> None:
        """Keep what is there."""

    def reset_output_buffer(self) -> None:
        """Keep what is there."""

    def await_lines(self) -> None:
        """Wait until the server has told its lines for the first time, which it does by itself behind the opening."""
        deadline = time.monotonic() + FIRST_LINES
        while self._modemstate is None and time.monotonic() < deadline:
            time.sleep(0.02)

    def _update_dtr_state(self) -> None:
        if not self._opening or "dtr" in self.told:
            super()._update_dtr_state()  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]

    def _update_rts_state(self) -> None:
        if not self._opening or "rts" in self.told:
            super()._update_rts_state()  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]

    def _internal_raw_write(self, data: bytes) -> None:
        with suppress(OSError):  # the reader goes on to the server's last words, and then finds the end
            super()._internal_raw_write(data)  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]

    def read(self, size: int = 1) -> bytes:
        """What has come, up to `size` bytes; none when nothing came in time.

        Raises:
            SerialException: the server has closed the connection, and all that it said before was read.
        """
        arrived, data = self._read_buffer, bytearray()
        if arrived is None:
            raise SerialException("it is not open")
        try:
            while len(data) < size:
                byte = arrived.get(not data, self.timeout)
                if byte is None:
                    arrived.put(None)  # for the next one who reads
                    break
                data += byte
        except queue.Empty:
            return bytes(data)
        if size and not data:
            raise SerialException("the server closed the connection")
        return bytes(data)

    def close(self) -> None:
        """Close it, also when the server has done so first."""
        connection = self._socket
        if self._opening and self._read_buffer:
            self.hung_up = None in list(self._read_buffer.queue)
        super().close()
        if connection:
            connection.close()

    def said(self) -> str:
        """What came and was not read: why the server would not have us."""
        pieces = list(self._read_buffer.queue) if self._read_buffer else []
        return b"".join(piece for piece in pieces if piece).decode(errors="replace").strip()
