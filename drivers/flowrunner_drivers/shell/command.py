"""Commands that the owner of a bench lets a job run beside the device."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Annotated

import anyio
from anyio.abc import Process
from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError, near
from flowrunner.interfaces.shell import Shell, ShellOutput
from flowrunner.model import Duration, FilePath, Seconds
from flowrunner_drivers._process import end_session, start

READ = 1 << 16
TAIL = 4096
"""Bytes of what a method printed that are told when it takes too long."""

FORBIDDEN = re.compile(r"LD_\w*|PATH|PYTHONPATH|HOME|BASH_ENV|ENV|BASH_FUNC_\w*|KUBECONFIG")
"""Variables that a job may not set: they would let it run something else than the owner wrote."""


Text = Annotated[str, Field(pattern=r"\S")]


class Method(Config):
    """One command."""

    command: Text
    """What the shell runs; the job's arguments are `$1`, `$2` ..."""

    description: str | None = None
    """What it is for."""

    timeout: Seconds | None = Field(default=None, gt=0)
    """Seconds that it may take, when not as long as the others."""


class CommandShellConfig(Config):
    """The commands."""

    methods: dict[str, Text | Method]
    """The commands by name: text, or a mapping with `command`, `description` and `timeout`."""

    shell: list[str] = Field(default=["bash", "-c"], min_length=1)
    """What runs them."""

    timeout: Seconds = Field(default=300.0, gt=0)
    """Seconds that one may take; then it and all that it started are ended."""

    grace: Seconds = 5.0
    """Seconds between asking it to end (SIGTERM), so that it can clean up, and ending it for good (SIGKILL)."""

    cwd: FilePath | None = None
    """The folder they run in."""


class CommandShell(Driver[CommandShellConfig], Shell):
    """Lets a job run commands of the bench's owner on its host, and no others.

    Arguments come as `$1`, `$2` ..., further values as variables. Output comes as it is printed, and may be any bytes.
    When a command ends, what it left running ends too; when time runs out, or the job goes away, all of it is ended.

    ```yaml
    export:
      tools:
        type: shell.command
        config:
          methods:
            temperature: cat /sys/class/thermal/thermal_zone0/temp
            relay: {command: 'usbrelay "$1=$2"', description: Switch a relay, timeout: 5s}
    ```
    """

    aliases = ("jumpstarter_driver_shell.driver.Shell",)

    async def get_methods(self) -> list[str]:
        return list(self.config.methods)

    async def describe(self) -> dict[str, str]:
        return {name: self._find(name).description or "" for name in self.config.methods}

    async def call_method(
        self, method: str, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> AsyncIterator[ShellOutput]:
        found = self._find(method)
        _check(env or {}, arguments)
        self._check_folder()
        timeout = self.config.timeout if found.timeout is None else found.timeout
        command = [*self.config.shell, found.command, method, *arguments]
        deadline, last = anyio.current_time() + timeout, bytearray()
        with _Outputs() as outputs:
            process = await start(
                command, stdin=subprocess.DEVNULL, stdout=outputs.handles[0], stderr=outputs.handles[1],
                env={**os.environ, **(env or {})}, cwd=self.config.cwd,
            )  # fmt: skip
            try:
                async for piece in outputs.of(process, deadline):
                    last = (last + piece.stdout + piece.stderr)[-TAIL:]
                    yield piece
            except TimeoutError as error:
                what, said = f"method '{method}' had not ended after {Duration(timeout)}", last.decode(errors="replace")
                raise BenchError(what, said=said.strip() or None) from error
            finally:
                await end_session(process, grace=self.config.grace)
            yield ShellOutput(status=process.returncode)

    def _check_folder(self) -> None:
        if self.config.cwd and not self.config.cwd.is_dir():
            raise BenchError(f"there is no folder '{self.config.cwd}', in which the methods are to run", blame="config")

    def _find(self, name: str) -> Method:
        if name not in self.config.methods:
            raise BenchError(f"there is no method '{name}'", blame="config", help=near(name, self.config.methods))
        found = self.config.methods[name]
        return Method(command=found) if isinstance(found, str) else found


def _check(env: Mapping[str, str], arguments: Sequence[str]) -> None:
    if any("\0" in text for text in (*env.values(), *arguments)):
        raise BenchError("a NUL character is in an argument or a variable: no program takes that", blame="config")
    for name in env:
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or FORBIDDEN.fullmatch(name):
            raise BenchError(f"a job may not set the variable '{name}'", blame="config", help="use another name")


class _Outputs:
    """The two outputs of a process, read as they come."""

    def __enter__(self) -> _Outputs:
        self._selector = selectors.EpollSelector()
        pairs = {stream: os.pipe() for stream in ("stdout", "stderr")}
        self.handles = [theirs for _, theirs in pairs.values()]
        for stream, (ours, _) in pairs.items():
            self._selector.register(ours, selectors.EVENT_READ, stream)
        return self

    def __exit__(self, *error: object) -> None:
        for handle in (*self.handles, *(key.fd for key in self._selector.get_map().values())):
            os.close(handle)
        self._selector.close()

    async def of(self, process: Process, deadline: float) -> AsyncGenerator[ShellOutput]:
        """Each piece until the process has ended, and nobody can print any more.

        Raises:
            TimeoutError: that did not come before `deadline`.
        """
        while self.handles:
            os.close(self.handles.pop())
        try:
            self._selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ, "end")
        except ProcessLookupError:
            await end_session(process)
        while self._selector.get_map():
            with anyio.fail_after(max(0.0, deadline - anyio.current_time())):
                await anyio.wait_readable(self._selector.fileno())
            for key, _ in self._selector.select(0):
                data = b"" if key.data == "end" else os.read(key.fd, READ)
                if data:
                    yield ShellOutput(stdout=data) if key.data == "stdout" else ShellOutput(stderr=data)
                    continue
                self._selector.unregister(key.fd)
                os.close(key.fd)
                if key.data == "end":
                    await end_session(process)  # what it left running would keep its outputs open
