"""Byte streams over serial ports: by file descriptor where there is one, else by a thread that reads."""

from __future__ import annotations

import os

import anyio
import anyio.from_thread
import anyio.to_thread
import serial

from flowrunner.errors import BenchError

READ = 1 << 16
POLL = 0.1
"""Seconds that a port without a file descriptor is waited for at once; closing takes that long at most."""


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


def gone(name: str, why: str | None) -> BenchError:
    """The port went away while it was open."""
    return BenchError(f"serial port '{name}' is gone: {why}", help="look at its cable and the power of its adapter")
