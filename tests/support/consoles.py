"""Consoles for tests: one that a test feeds by hand, and one that is a real program on a real pty."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from flowrunner.console.log import ConsoleLog
from flowrunner.console.reader import ConsoleReader
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration


class FedConsole(Console):
    """Prints what the test says; `break_off` ends the connection, `sent` is what came in."""

    def __init__(self, answer: Callable[[bytes], bytes | None] | None = None) -> None:
        self.sent = b""
        self.connections = 0
        self.refuse: Exception | None = None
        self._answer = answer
        self._queue: list[bytes | None] = []
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._queue.append(data)
        self._news.set()

    def break_off(self) -> None:
        self._queue.append(None)
        self._news.set()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FedConsole]:
        if self.refuse:
            raise self.refuse
        self.connections += 1
        yield self

    async def receive(self) -> bytes:
        while not self._queue:
            self._news.clear()
            await self._news.wait()
        data = self._queue.pop(0)
        if data is None:
            raise anyio.EndOfStream
        return data

    async def send(self, data: bytes, /) -> None:
        self.sent += data
        if self._answer and (reply := self._answer(data)):
            self.feed(reply)


class FileStream:
    """A byte stream over a file descriptor, such as a pty's."""

    def __init__(self, file: int) -> None:
        os.set_blocking(file, False)
        self._file = file

    async def receive(self) -> bytes:
        while True:
            try:
                data = os.read(self._file, 65536)
            except BlockingIOError:
                await anyio.wait_readable(self._file)
                continue
            except OSError as error:
                raise anyio.EndOfStream from error
            if not data:
                raise anyio.EndOfStream
            return data

    async def send(self, data: bytes, /) -> None:
        while data:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:
                await anyio.wait_writable(self._file)


class ProgramConsole(Console):
    """A program on a pty of `columns`; `inject` prints past it, as a kernel does."""

    def __init__(self, argv: Sequence[str], *, columns: int = 80, echo: bool = True, **environment: str) -> None:
        self._argv = argv
        self._columns = columns
        self._echo = echo
        self._environment = {"PATH": os.environ["PATH"], "TERM": "vt102", "HOME": "/", **environment}
        self._terminal = -1

    def inject(self, data: bytes) -> None:
        os.write(self._terminal, data)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FileStream]:
        near, self._terminal = pty.openpty()
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        if not self._echo:
            modes = termios.tcgetattr(self._terminal)
            modes[3] &= ~termios.ECHO
            termios.tcsetattr(self._terminal, termios.TCSANOW, modes)
        process = subprocess.Popen(
            self._argv, stdin=self._terminal, stdout=self._terminal, stderr=self._terminal, env=self._environment,
            cwd="/", start_new_session=True, preexec_fn=_own_terminal,
        )  # fmt: skip
        try:
            yield FileStream(near)
        finally:
            process.kill()
            process.wait()
            os.close(near)
            os.close(self._terminal)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@asynccontextmanager
async def reading(
    console: Console, folder: Path, *, name: str = "dut.console", **more: Any
) -> AsyncIterator[ConsoleReader]:
    """The reader of `console`, connected; `mask` and `window` go to its log, the rest to it."""
    start = anyio.current_time()

    def clock() -> Duration:
        return Duration(anyio.current_time() - start)

    of_log = {key: more.pop(key) for key in ("mask", "window") if key in more}
    log = ConsoleLog(folder / f"{name}.log", clock=clock, **of_log)
    reader = ConsoleReader(name, console, log, clock=clock, **more)
    connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(reader.run(connected=connected))
    try:
        await asyncio.wait((task, connected), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
