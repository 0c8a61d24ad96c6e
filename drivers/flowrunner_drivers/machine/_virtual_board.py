"""The life of the virtual board: from power on to its shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal, NoReturn

import anyio

from flowrunner.beside import beside
from flowrunner_drivers._pty import Terminal, at_terminal
from flowrunner_drivers.machine._virtual_boot import Boot, boot_log
from flowrunner_drivers.machine._virtual_shell import Root
from flowrunner_drivers.machine._virtual_wire import Wire

State = Literal["off", "booting", "login", "shell", "halted", "hung", "panicked"]

GREETING = "\r\nThis is a virtual board: no hardware. Its shell is that of the host, in a folder of its own.\r\n"
BACKSPACE = b"\x7f\x08"


class Board:
    """A board that is on or off, and what it does while it is on.

    `boots` says how its boots go, one after the other; the last one goes on. `boot_time` is in seconds, and so is
    `noise`: how often the kernel says something, 0 for never.
    """

    def __init__(
        self, root: Root, *, boots: list[Boot], boot_time: float, noise: float, user: str, password: str | None,
        version: Callable[[], str], size: str,
    ) -> None:  # fmt: skip
        self.wire = Wire()
        self.state: State = "off"
        self.log: list[str] = []
        self._root = root
        self._boots = list(boots)
        self._boot_time = boot_time
        self._noise = noise
        self._user = user
        self._password = password
        self._version = version
        self._size = size
        self._scope: anyio.CancelScope | None = None
        self._ended = anyio.Event()

    @asynccontextmanager
    async def plugged_in(self) -> AsyncIterator[None]:
        """The board lives as long as this; at the end it is off."""
        async with beside() as self._tasks:
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self.off()

    async def on(self) -> None:
        """Apply power."""
        if self._scope is None:
            self._scope, self._ended = anyio.CancelScope(), anyio.Event()
            self.wire.forget_typed()
            self._tasks.start_soon(self._live, self._scope, self._ended)

    async def off(self) -> None:
        """Remove power; returns when nothing of the board runs any more."""
        if self._scope is not None:
            self._scope.cancel()
            await self._ended.wait()
            self._scope = None

    async def reset(self) -> None:
        """Press the button: a board that is on begins anew."""
        if self._scope is not None:
            await self.off()
            await self.on()

    async def _live(self, scope: anyio.CancelScope, ended: anyio.Event) -> None:
        try:
            with scope:
                async with beside(self._chatter):
                    await self._run()
        finally:
            self.state = "off"
            ended.set()

    async def _run(self) -> NoReturn:
        while True:
            await self._boot()
            while not (asked := await self._session()):
                pass
            if asked == "poweroff":
                await self._stop("halted", "reboot: Power down")
            await self._say("reboot: Restarting system")

    async def _boot(self) -> None:
        self.state, self.log = "booting", []
        kind = self._boots.pop(0) if len(self._boots) > 1 else self._boots[0]
        version = self._version()
        self._root.write("etc/version", f"{version}\n")
        start, took = anyio.current_time(), self._boot_time * (10 if kind == "slow" else 1)
        for part, line in boot_log(kind, version, self._size):
            await anyio.sleep_until(start + part * took)
            self.log.append(line)
            await self._say(line)
        self._root.write("var/log/dmesg", "".join(f"{line}\n" for line in self.log if line.startswith("[")))
        if kind in ("hang", "silent", "panic"):
            await self._stop("panicked" if kind == "panic" else "hung", None)
        await anyio.sleep_until(start + took)

    async def _stop(self, state: State, line: str | None) -> NoReturn:
        if line:
            await self._say(line)
        self.state = state
        await anyio.sleep_forever()
        raise AssertionError

    async def _session(self) -> str:
        """One login and its shell; returns what the shell asked for at its end."""
        self.state = "login"
        await self.wire.print(b"\r\nvirtual login: ")
        name = await self._line(echo=True)
        if not name:
            return ""
        right = name == self._user
        if self._password is not None:
            await self.wire.print(b"Password: ")
            right = await self._line(echo=False) == self._password and right
        if not right:
            await self._say("\r\nLogin incorrect")
            return ""
        self.state = "shell"
        await self.wire.print(GREETING.encode())
        root = self._root
        async with (
            at_terminal(["/bin/sh", "-i"], env=root.environment(), cwd=root.home, user=root.user) as terminal,
            beside(partial(self._type_to, terminal)),
        ):
            await self._show(terminal)
        return root.request()

    async def _show(self, terminal: Terminal) -> None:
        while True:
            try:
                await self.wire.print(await terminal.receive())
            except anyio.EndOfStream:
                return

    async def _type_to(self, terminal: Terminal) -> None:
        while True:
            try:
                await terminal.send(await self.wire.typed())
            except anyio.BrokenResourceError:
                return

    async def _line(self, *, echo: bool) -> str:
        """What is typed up to Enter; what follows it stays for who reads next."""
        line = bytearray()
        while True:
            data = await self.wire.typed()
            for count, byte in enumerate(data):
                if byte in b"\r\n":
                    rest = data[count + 1 :]
                    self.wire.put_back(rest.removeprefix(b"\n") if byte == 13 else rest)
                    await self.wire.print(b"\r\n")
                    return line.decode(errors="replace")
                if byte in BACKSPACE:
                    if line and echo:
                        await self.wire.print(b"\b \b")
                    del line[-1:]
                else:
                    line.append(byte)
                    await self.wire.print(bytes([byte]) if echo else b"")

    async def _chatter(self) -> None:
        count = 0
        while self._noise:
            await anyio.sleep(self._noise)
            if self.state in ("login", "shell"):
                count += 1
                await self._say(f"[{2.5 + count * self._noise:12.6f}] virtual: still here, {count}")

    async def _say(self, line: str) -> None:
        await self.wire.print(line.encode() + b"\r\n")
