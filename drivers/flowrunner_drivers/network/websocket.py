"""A WebSocket server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from pydantic import Field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, WebSocketException

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.model import Duration, Seconds
from flowrunner.net.dial import CONNECT
from flowrunner.net.stream import Gone, why
from flowrunner_drivers.network._host import hidden

LARGEST = 64 << 20
"""Bytes of the largest message that is taken."""


class WebsocketNetworkConfig(Config):
    """Where the server is."""

    url: str = Field(pattern=r"^wss?://[^/]+")
    """The server's URL, `ws://` or `wss://`."""

    enable_address: bool = True
    """Whether clients may ask for the URL, to connect to it themselves."""

    timeout: Seconds = CONNECT
    """Seconds that a connection may take."""


class WebsocketNetwork(Driver[WebsocketNetworkConfig], Network):
    """A server that speaks WebSocket, such as a simulator's console. Each stream is a connection of its own.

    What is sent goes out as binary messages; of what comes, binary messages are taken as they are, and text as UTF-8.
    A WebSocket has no half close: who has sent all and waits for the answer is not told apart from who may go on.

    ```yaml
    export:
      simulator:
        type: network.websocket
        config: {url: "ws://127.0.0.1:8080/console"}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.WebsocketNetwork",)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        connection = await self._open()
        try:
            yield Messages(connection, f"'{self.config.url}'")
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()

    async def address(self) -> str:
        if not self.config.enable_address:
            raise hidden("this server")
        return self.config.url

    async def _open(self) -> ClientConnection:
        url, timeout = self.config.url, self.config.timeout
        try:
            return await connect(url, open_timeout=timeout, close_timeout=1, max_size=LARGEST, compression=None)
        except TimeoutError as error:
            raise BenchError(f"'{url}' did not answer within {Duration(timeout)}", blame="infra") from error
        except OSError as error:
            raise BenchError(f"'{url}' cannot be reached: {why(error)}", blame="infra") from error
        except InvalidStatus as error:
            code = error.response.status_code
            raise BenchError(f"'{url}' refused the connection with status {code}", blame="infra") from error
        except WebSocketException as error:
            raise BenchError(f"'{url}' does not speak WebSocket: {error}", blame="config") from error


class Messages:
    """A connection whose messages are taken as pieces of a byte stream."""

    def __init__(self, inner: ClientConnection, name: str) -> None:
        self._inner = inner
        self._name = name

    async def receive(self) -> bytes:
        while True:
            try:
                message = await self._inner.recv(decode=False)
            except ConnectionClosedOK as error:
                raise anyio.EndOfStream from error
            except ConnectionClosed as error:
                raise self._gone(error) from error
            if message:
                return message

    async def send(self, data: bytes) -> None:
        try:
            await self._inner.send(data)
        except ConnectionClosed as error:
            raise self._gone(error) from error

    def _gone(self, error: ConnectionClosed) -> Gone:
        return Gone(f"the connection to {self._name} broke: {error}")
