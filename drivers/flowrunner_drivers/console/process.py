"""A command as console: whatever reads lines and prints some."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from anyio.abc import Process

from flowrunner.driver import Config, Driver
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.model import FilePath
from flowrunner_drivers._process import Command, end_session, start
from flowrunner_drivers._pty import at_terminal


class ProcessConsoleConfig(Config):
    """The command."""

    command: Command
    """What is started when the console is opened. A list is started as it is, text is given to `sh -c`."""

    pty: bool = True
    """Whether it gets a terminal; otherwise pipes, which neither echo nor change line endings."""

    raw: bool = False
    """A terminal that does not echo, change line endings, or turn keys into signals."""

    env: dict[str, str] = {}
    """Variables added to its environment."""

    cwd: FilePath | None = None
    """The folder it runs in."""


class ProcessConsole(Driver[ProcessConsoleConfig], Console):
    """Runs a command as long as the console is open: `ssh`, `ipmitool sol`, `docker attach`, a simulator.

    When the command ends the console is at its end. When the console is closed, the command and all that it started
    in its session are ended.

    ```yaml
    export:
      console:
        type: console.process
        config: {command: ipmitool -H bmc1 -U lab -E sol activate}
    ```
    """

    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        environment = {**os.environ, **self.config.env}
        if self.config.pty:
            return at_terminal(self.config.command, env=environment, cwd=self.config.cwd, raw=self.config.raw)
        return self._by_pipes(environment)

    @asynccontextmanager
    async def _by_pipes(self, environment: dict[str, str]) -> AsyncIterator[ByteStream]:
        process = await start(
            self.config.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, cwd=self.config.cwd,
        )  # fmt: skip
        async with process:
            try:
                yield _Pipes(process)
            finally:
                await end_session(process)


class _Pipes:
    """The standard streams of a process."""

    def __init__(self, process: Process) -> None:
        assert process.stdout and process.stdin
        self._output = process.stdout
        self._input = process.stdin

    async def receive(self) -> bytes:
        return await self._output.receive()

    async def send(self, data: bytes) -> None:
        try:
            await self._input.send(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise anyio.BrokenResourceError from error
