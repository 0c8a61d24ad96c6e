"""Byte streams over serial ports: by file descriptor where there is one, else by a thread that reads."""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from contextlib import suppress
from typing import NoReturn

import anyio
import anyio.from_thread
import anyio.to_thread
import serial
from serial.tools import list_ports

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream

READ = 1 << 16
POLL = 0.1
"""Seconds that a port without a file descriptor is waited for at once; closing takes that long at most."""


def open_port(port: serial.Serial, *, local: bool, keep_lines: bool) -> None:
    """Open a port that was made with `do_not_open`, without throwing away what it has received already.

    `local` is a port of this host. With `keep_lines` closing it leaves DTR and RTS as they are, so that a board that
    resets on DTR runs on.

    Raises:
        BenchError: it is not there, is in use, or cannot be set up.
    """
    if local:
        port._reset_input_buffer = _nothing  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    try:
        port.open()
    except (serial.SerialException, OSError, ValueError, termios.error) as error:
        _refuse(str(port.port), error)
    if local:
        _set_up(port, keep_lines=keep_lines)


def _refuse(name: str, error: Exception) -> NoReturn:
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        known = ", ".join(sorted(found.device for found in list_ports.comports())) or "none"
        raise BenchError(f"there is no serial port '{name}'", help=f"ports of this host: {known}") from error
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        raise BenchError(
            f"'{name}' is in use by another process", blame="infra", help=f"find it with: fuser -v {name}"
        ) from error
    if code == errno.EACCES:
        raise BenchError(f"'{name}' may not be opened by this user", blame="config", help="join its group") from error
    raise BenchError(f"'{name}' could not be opened: {error}") from error


def _nothing() -> None:
    """Do not throw away at opening what has arrived, as pyserial does: a banner may begin with it."""


def _set_up(port: serial.Serial, *, keep_lines: bool) -> None:
    """What pyserial leaves out: nobody else may open it, and a break on the line throws away no data."""
    handle = port.fileno()
    settings = termios.tcgetattr(handle)
    settings[0] &= ~termios.BRKINT
    if keep_lines:
        settings[2] &= ~termios.HUPCL
    termios.tcsetattr(handle, termios.TCSANOW, settings)
    with suppress(OSError):
        fcntl.ioctl(handle, termios.TIOCEXCL)


class HandleStream:
    """A port of this host, by its file descriptor."""

    def __init__(self, port: serial.Serial) -> None:
        self._name = str(port.port)
        self._handle = port.fileno()

    async def receive(self) -> bytes:
        while True:
            try:
                data = os.read(self._handle, READ)
            except BlockingIOError:
                await anyio.wait_readable(self._handle)
                continue
            except OSError as error:
                raise gone(self._name, error.strerror) from error
            if not data:
                raise gone(self._name, "it hung up")
            return data

    async def send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._handle, left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._handle)
            except OSError as error:
                raise gone(self._name, error.strerror) from error


class ThreadStream:
    """A port that only pyserial can read, by a thread that reads it as long as `run` goes on."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._sender, self._receiver = anyio.create_memory_object_stream[bytes](16)
        self._broken: BenchError | None = None

    async def receive(self) -> bytes:
        try:
            return await self._receiver.receive()
        except anyio.EndOfStream:
            raise self._broken or anyio.EndOfStream from None

    async def send(self, data: bytes) -> None:
        try:
            await anyio.to_thread.run_sync(self._port.write, data)
        except (serial.SerialException, OSError) as error:
            raise gone(str(self._port.port), str(error)) from error

    def close(self) -> None:
        """Nothing will be received any more."""
        self._receiver.close()

    async def run(self) -> None:
        """Read until this task is cancelled or the port breaks."""
        self._port.timeout = POLL
        with self._sender:
            await anyio.to_thread.run_sync(self._read_on)

    def _read_on(self) -> None:
        try:
            while True:
                anyio.from_thread.check_cancelled()
                if first := self._port.read(1):
                    anyio.from_thread.run(self._sender.send, bytes(first + self._port.read(self._port.in_waiting)))
        except (serial.SerialException, OSError, TypeError) as error:
            self._broken = gone(str(self._port.port), str(error))


class Paced:
    """A stream that sends at most `cps` bytes a second, for targets that drop what comes faster."""

    def __init__(self, inner: ByteStream, cps: float) -> None:
        self._inner = inner
        self._cps = cps

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def send(self, data: bytes) -> None:
        start = anyio.current_time()
        for count in range(len(data)):
            await self._inner.send(data[count : count + 1])
            await anyio.sleep_until(start + (count + 1) / self._cps)


def gone(name: str, why: str | None) -> BenchError:
    """The port went away while it was open."""
    return BenchError(f"serial port '{name}' is gone: {why}", help="look at its cable and the power of its adapter")
