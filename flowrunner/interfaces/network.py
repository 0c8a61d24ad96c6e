"""Network: connections to something that can be reached from where the device is."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Literal

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface, call, end_sending, stream
from flowrunner.model import Duration, Seconds

PAUSE = 0.2
"""Seconds between two attempts of `wait`."""


class Network(Interface):
    """One far end, such as a port of the device. Each stream is a connection of its own."""

    name = "network"
    jumpstarter = "jumpstarter_driver_network.client.NetworkClient"

    @stream
    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        """Open a connection; a stream with `datagrams` keeps the borders of what is sent.

        Raises:
            BenchError: nobody answers there; it names the far end and why.
        """

    @call
    @abstractmethod
    async def address(self) -> str:
        """Where the far end is, seen from the exporter: `tcp://192.0.2.7:22`, `udp://[2001:db8::7]:69`, `unix:/run/x`.

        Raises:
            BenchError: there is no such address, or it is not to be told (`enable_address: false`).
        """

    async def check(self) -> None:
        """Connect, and close again. Runs beside the job.

        Raises:
            BenchError: nobody answers there.
        """
        async with self.connect():
            pass

    async def wait(self, timeout: Seconds = 60.0) -> None:
        """Try again and again until a connection stands, `timeout` seconds long. Runs beside the job.

        Raises:
            BenchError: nobody answered in that time; it says why the last attempt failed.
        """
        last: BenchError | None = None
        with anyio.move_on_after(timeout):
            while True:
                try:
                    return await self.check()
                except BenchError as error:
                    if error.blame in ("config", "lost"):
                        raise
                    last = error
                await anyio.sleep(PAUSE)
        why = f": {last.what}" if last else ""
        raise BenchError(f"nobody answered within {Duration(timeout)}{why}", driver=last.driver if last else None)

    async def request(self, data: bytes) -> bytes:
        """Send `data`, close our half, and return all that comes until the far end closes. Runs beside the job."""
        async with self.connect() as connection:
            await connection.send(data)
            await end_sending(connection)
            answer = bytearray()
            try:
                while True:
                    answer += await connection.receive()
            except anyio.EndOfStream:
                return bytes(answer)


class DbusNetwork(Network):
    """A message bus: its clients log in as the user of the exporter, so theirs must be the same."""

    name = "dbus"
    jumpstarter = "jumpstarter_driver_network.client.DbusNetworkClient"

    @call
    @abstractmethod
    async def kind(self) -> Literal["system", "session"]:
        """Which of the two buses it is."""
