"""A port that is opened for a console, or for as long as one of its lines is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.serial import ModemLines
from flowrunner_drivers.console._lines import WORDS, change, drain, read
from flowrunner_drivers.console._looking import look
from flowrunner_drivers.console._opening import make_port, open_port
from flowrunner_drivers.console._port import HandleStream, ThreadStream
from flowrunner_drivers.console._speed import check_speed


class HeldPort:
    """One port. `state` is what changes while it is used and holds at the next opening: `dtr`, `rts`, `baudrate`."""

    def __init__(self, url: str, state: Mapping[str, Any], settings: Mapping[str, Any], *, keep_lines: bool) -> None:
        self.url = url
        self.scheme = urlsplit(url).scheme if "://" in url else ""
        self.local = self.scheme in ("", "hwgrep")
        self._state = dict(state)
        self._settings = settings
        self._keep_lines = keep_lines
        self._port: Any = None
        self._turn = anyio.Lock()
        """Held while the port is opened and closed, and while its lines are used."""

    async def look(self) -> None:
        """Whether a port of this host can be had, without opening it.

        Raises:
            BenchError: it cannot.
        """
        await anyio.to_thread.run_sync(lambda: look(Path(self._made().port)))

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[ByteStream]:
        """The open port; one of this host is read by its file descriptor."""
        port = await self.open()
        try:
            if self.local:
                yield HandleStream(port)
                return
            with closing(ThreadStream(port)) as stream:
                async with beside(stream.run):
                    yield stream
        finally:
            await self.close()

    async def open(self) -> Any:
        """Open the port, until `close`.

        Raises:
            BenchError: it cannot be opened.
        """
        async with self._turn:
            self._port = await self._open()
            return self._port

    async def close(self) -> None:
        """Close the port, if it is open."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                port, self._port = self._port, None
                if port is not None:
                    await anyio.to_thread.run_sync(port.close)

    async def change(self, name: str, value: object) -> None:
        """Set `dtr`, `rts` or `baudrate`, now and for each opening from now on."""
        async with self._had(WORDS[name]) as port:
            if name == "baudrate" and self.local:
                await drain(port)
            await anyio.to_thread.run_sync(change, port, name, value)
            if name == "baudrate" and self.local:
                check_speed(port)
        self._state[name] = value

    async def lines(self) -> ModemLines:
        """The lines as they are."""
        async with self._had("modem lines") as port:
            return await anyio.to_thread.run_sync(read, port)

    async def send_break(self, duration: float) -> None:
        """Hold the line in break for `duration` seconds, or until this is cancelled."""
        async with self._had("break") as port:
            await anyio.to_thread.run_sync(change, port, "break_condition", True)
            try:
                await anyio.sleep(duration)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(change, port, "break_condition", False)

    @asynccontextmanager
    async def _had(self, what: str) -> AsyncIterator[Any]:
        """The open port; one that nobody has open is opened for this."""
        if self.scheme in ("socket", "loop"):
            help = "a terminal server that speaks RFC 2217 has one: rfc2217://" if self.scheme == "socket" else None
            raise BenchError(f"'{self.url}' has no {what}", blame="config", help=help)
        async with self._turn:
            if self._port is not None:
                yield self._port
                return
            port = await self._open()
            try:
                yield port
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(port.close)

    async def _open(self) -> Any:
        port = await anyio.to_thread.run_sync(self._made)
        await anyio.to_thread.run_sync(lambda: open_port(port, local=self.local, keep_lines=self._keep_lines))
        return port

    def _made(self) -> Any:
        lines = {name: self._state[name] for name in ("dtr", "rts")}
        return make_port(self.url, lines, local=self.local, baudrate=self._state["baudrate"], **self._settings)
