"""A screen over VNC: each call is a session of its own, so nothing breaks when the server comes and goes."""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.keysyms import chord, stroke
from flowrunner.interfaces.screen import PACE, Button, Screen
from flowrunner.model import Duration, Seconds
from flowrunner.net.pump import join
from flowrunner.net.stream import SocketStream
from flowrunner_drivers._rfb.login import log_in, welcome
from flowrunner_drivers._rfb.session import Session
from flowrunner_drivers._rfb.wire import Wire

LIMIT = 15.0
"""Seconds that the server may take to greet us, and again to answer what it is asked."""

BUTTONS: dict[Button, int] = {"left": 1, "middle": 2, "right": 4}
UP, DOWN = 8, 16
"""The wheel is two buttons."""


class RfbScreen(Screen):
    """The methods of `Screen` over a connection to a VNC server."""

    @abstractmethod
    def server(self) -> AbstractAsyncContextManager[ByteStream]:
        """Open a connection to the server."""

    password: str | None = None
    """What the server wants to know."""

    async def size(self) -> tuple[int, int]:
        async with self._session() as session:
            return session.size

    async def snapshot(self) -> bytes:
        async with self._session() as session:
            return await session.picture()

    async def type(self, text: str, pace: Seconds = PACE) -> None:
        await self._press([stroke(character) for character in text], pace)

    async def press(self, keys: list[str], pace: Seconds = PACE) -> None:
        chords = []
        for name in keys:
            try:
                chords.append(chord(name))
            except KeyError as error:
                raise BenchError(f"there is no key '{name}'", blame="config", help=str(error.args[0])) from error
        await self._press(chords, pace)

    async def move(self, x: int, y: int) -> None:
        await self._buttons([(x, y, 0)])

    async def click(self, x: int, y: int, button: Button = "left", count: int = 1) -> None:
        await self._buttons([(x, y, 0), *[(x, y, BUTTONS[button]), (x, y, 0)] * count])

    async def drag(self, x: int, y: int, to_x: int, to_y: int, button: Button = "left") -> None:
        held = BUTTONS[button]
        middle = ((x + to_x) // 2, (y + to_y) // 2)
        await self._buttons([(x, y, 0), (x, y, held), (*middle, held), (to_x, to_y, held), (to_x, to_y, 0)])

    async def scroll(self, x: int, y: int, lines: int) -> None:
        notch = DOWN if lines > 0 else UP
        await self._buttons([(x, y, 0), *[(x, y, notch), (x, y, 0)] * abs(lines)])

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with self.server() as server:
            if self.password is None:
                yield server
                return
            with anyio.fail_after(LIMIT):
                await log_in(Wire(server), self.password)
            ours, theirs = (SocketStream(end, "the viewer") for end in socket.socketpair())

            async def carry() -> None:
                try:
                    early = await welcome(theirs)
                    if early:
                        await server.send(early)
                    await join(theirs, server)
                finally:
                    theirs.close()

            async with beside(carry):
                try:
                    yield ours
                finally:
                    ours.close()

    async def _press(self, chords: list[tuple[int, ...]], pace: float) -> None:
        """Press the keys of each chord in order, and release them the other way round."""
        if not chords:
            return
        async with self._session(pace * len(chords)) as session:
            for keys in chords:
                for key in keys:
                    await session.key(key, down=True)
                await anyio.sleep(pace / 2)
                for key in reversed(keys):
                    await session.key(key, down=False)
                await anyio.sleep(pace / 2)
            await session.done()

    async def _buttons(self, moves: list[tuple[int, int, int]]) -> None:
        async with self._session(PACE * len(moves)) as session:
            for x, y, buttons in moves:
                await session.mouse(x, y, buttons)
                await anyio.sleep(PACE)
            await session.done()

    @asynccontextmanager
    async def _session(self, longer: float = 0.0) -> AsyncIterator[Session]:
        """A session that may take `longer` seconds than one that only asks."""
        limit = LIMIT + longer
        try:
            with anyio.fail_after(limit):
                async with self.server() as stream:
                    session = Session(Wire(stream))
                    await session.begin(self.password)
                    yield session
        except TimeoutError as error:
            raise BenchError(f"the VNC server did not answer within {Duration(limit)}", blame="infra") from error
