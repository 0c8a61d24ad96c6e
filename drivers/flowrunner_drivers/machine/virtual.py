"""A whole board without hardware, for learning and for testing pipelines."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.image import Medium, write_image
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.shell import Shell, ShellOutput
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner.interfaces.video import Video
from flowrunner.model import Seconds, Size
from flowrunner_drivers._faults import Fault, Faults
from flowrunner_drivers.machine._virtual_board import Board
from flowrunner_drivers.machine._virtual_boot import Boot
from flowrunner_drivers.machine._virtual_files import RootFiles
from flowrunner_drivers.machine._virtual_screen import draw
from flowrunner_drivers.machine._virtual_shell import Root


class VirtualMachineConfig(Config):
    """How the board behaves."""

    boot_time: Seconds = 0.1
    """Seconds from power on to the login prompt."""

    boots: list[Boot] = Field(default=["ok"], min_length=1)
    """How the boots go, one after the other; the last one goes on. `slow` takes ten times as long, `hang` stops
    half-way, `panic` ends in a kernel panic, `silent` prints nothing."""

    user: str = "root"
    """Who may log in."""

    password: str | None = None
    """The password; without one none is asked for."""

    noise: Seconds = 0.0
    """Seconds between two messages of the kernel, in the middle of whatever else is on the console; 0 for none."""

    storage: Size = Size(64 << 20)
    """The size of the medium that images are flashed to."""

    faults: list[Fault] = []
    """What goes wrong: which `call` (on, off, read, flash, dump, snapshot), at which count, and how."""


class VirtualMachine(Driver[VirtualMachineConfig]):
    """A board without hardware: power, console, storage, video, files and shell are all virtual. It starts in a moment.

    It boots when power comes: a boot loader, a kernel, a login, and behind that a real `sh` of this host in a folder of
    its own (as `nobody` when we are root). `/etc/version` there is the first line of the image that was flashed, if
    that is text. What it cannot do it does not pretend to do: it runs no image.

    ```yaml
    export:
      board:
        type: machine.virtual
        config:
          boot_time: 2s
          boots: [panic, ok]
          faults: [{call: flash, fail: the card was pulled out}]
    ```
    """

    def __init__(self, config: VirtualMachineConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self.faults = Faults(config.faults)
        parts = (_Power, _Console, _Storage, _Video, _Files, _Shell)
        self.children |= {part.__name__[1:].lower(): part(config, self) for part in parts}
        self._board: Board | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        config = self.config
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowrunner-virtual-")))
            self.root = Root(self.folder / "root")
            self._board = Board(
                self.root, boots=config.boots, boot_time=config.boot_time, noise=config.noise, user=config.user,
                password=config.password, version=self._version, size=str(config.storage),
            )  # fmt: skip
            async with self._board.plugged_in():
                yield
            self._board = None

    @property
    def board(self) -> Board:
        """The board while it is open."""
        if self._board is None:
            raise BenchError("the virtual board is not open", blame="internal")
        return self._board

    @property
    def medium(self) -> Path:
        """The file that stands for the card."""
        return self.folder / "card.img"

    def _version(self) -> str:
        if not self.medium.exists():
            return "factory"
        with self.medium.open("rb") as file:
            line = file.read(80).partition(b"\n")[0].rstrip(b"\0\r")
        return line.decode() if line.isascii() and line.decode().isprintable() and line else "an image of no text"


class _Part(Driver[VirtualMachineConfig]):
    """A part of the board."""

    def __init__(self, config: VirtualMachineConfig, machine: VirtualMachine) -> None:
        super().__init__(config)
        self.machine = machine


class _Power(_Part, Power):
    async def on(self) -> None:
        await self.machine.faults.strike("on")
        await self.machine.board.on()

    async def off(self) -> None:
        await self.machine.faults.strike("off")
        await self.machine.board.off()

    async def read(self) -> AsyncIterator[PowerReading]:
        while True:
            await self.machine.faults.strike("read")
            state = self.machine.board.state
            amps = {"off": 0.0, "booting": 0.8, "halted": 0.05}.get(state, 0.4)
            yield PowerReading(voltage=0.0 if state == "off" else 5.0, current=amps)
            await anyio.sleep(0.1)


class _Console(_Part, Console):
    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        return self.machine.board.wire.connected()


class _Storage(_Part, Flasher):
    async def flash(self, image: Image, target: str | None = None) -> Written:
        self._check(target)
        await self.machine.faults.strike("flash")
        handle = os.open(self.machine.medium, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return await write_image(image, Medium(handle, "card of the virtual board", self.config.storage))
        finally:
            os.close(handle)

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        self._check(target)
        await self.machine.faults.strike("dump")
        if not self.machine.medium.exists():
            raise BenchError("nothing was flashed to the card of the virtual board", blame="config")
        left = self.config.storage if length is None else length
        if left > self.config.storage:
            raise BenchError(f"the card of the virtual board has {self.config.storage}, {Size(left)} were asked for")
        with self.machine.medium.open("rb") as file:
            while left > 0:
                data = await anyio.to_thread.run_sync(file.read, min(1 << 20, left))
                yield data
                left -= len(data)

    def _check(self, target: str | None) -> None:
        if target is not None:
            raise BenchError(f"the virtual board has no target '{target}'", blame="config", help="leave target out")
        if self.machine.board.state != "off":
            raise BenchError(
                "the virtual board is on", blame="config", help="turn its power off before, as with a card"
            )


class _Video(_Part, Video):
    async def snapshot(self) -> bytes:
        await self.machine.faults.strike("snapshot")
        board = self.machine.board
        return await anyio.to_thread.run_sync(draw, board.state, tuple(board.log))


class _Files(_Part, RootFiles):
    def root(self) -> Path:
        return self.machine.root.folder

    def user(self) -> int | None:
        return self.machine.root.user


METHODS = {"echo": "Print the arguments", "reset": "Press the reset button", "state": "Say whether it runs"}


class _Shell(_Part, Shell):
    """The buttons of the board, so to say."""

    async def get_methods(self) -> list[str]:
        return list(METHODS)

    async def describe(self) -> dict[str, str]:
        return METHODS

    async def call_method(
        self, method: str, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> AsyncIterator[ShellOutput]:
        board = self.machine.board
        match method:
            case "echo":
                yield ShellOutput(stdout=" ".join(arguments).encode() + b"\n")
            case "reset":
                await board.reset()
            case "state":
                yield ShellOutput(stdout=board.state.encode() + b"\n")
            case _:
                known = ", ".join(METHODS)
                raise BenchError(f"there is no method '{method}'", blame="config", help=f"known: {known}")
        yield ShellOutput(status=0)
