"""Run a command by SSH. The underscore makes room for the package `ssh`, where the other actions of SSH are."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Annotated, Any, BinaryIO, Literal

import anyio
import anyio.to_thread
from pydantic import Field

from flowrunner.console.text import last_lines
from flowrunner.errors import ExpectationError
from flowrunner.interfaces.ssh_session import Session
from flowrunner.model import Duration, SecretText, Size
from flowrunner.step import Context, Outputs
from flowrunner_steps._ssh import AtSsh

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

ADVICE = {126: "126 means: it cannot be executed", 127: "127 means: there is no such command"}


class SshOutputs(Outputs):
    """What `ssh` leaves for later steps."""

    stdout: str
    """What the command printed, without the last line ending."""

    stderr: str
    """What it printed to standard error, without the last line ending."""

    exit: int
    """Its exit status; 128 and the number of the signal when one ended it."""

    lines: list[str]
    """The lines of `stdout`."""

    parsed: Any = None
    """With `parse`: the JSON value, or the lines that are not empty."""

    seconds: Duration
    """How long it took, without the login."""


class Ssh(AtSsh):
    """Run a command on the device by SSH, and learn its exit status and both of its outputs.

    The user's shell runs it, as with `ssh`; each step is a shell of its own. It may have several lines and print any
    bytes. When time runs out, or the run is cancelled, the command and all that it started are ended on the device.

    ```yaml
    steps:
      - ssh.wait: 2m                        # the board boots
      - id: release
        ssh: uname -r
      - ssh: {command: "systemctl is-active app", expect_exit: [0, 3], within: 10s}
      - id: links
        ssh: {command: ip -j link, parse: json, capture: links.json}
      - ssh: {command: 'curl -H "Authorization: $TOKEN" http://10.0.2.2/', env: {TOKEN: "${{ secrets.token }}"}}
      - ssh: {command: id, username: guest, password: "${{ secrets.password }}"}
      - ssh: {command: passwd --stdin guest, stdin: "${{ secrets.password }}"}
    ```
    """

    shorthand = "command"

    command: str = Field(min_length=1)
    """The command, or several lines of them."""

    within: Duration = Duration(60)
    """How long it may take, without the login."""

    expect_exit: int | list[int] | Literal["any"] = 0
    """The exit status that passes, or several, or `any`."""

    env: dict[Name, SecretText] = {}
    """Variables for this command; the place for secrets, which no list of processes shows."""

    stdin: SecretText = ""
    """What the command reads from its standard input."""

    parse: Literal["json", "lines"] | None = None
    """How standard output is read into `parsed`."""

    capture: str | None = None
    """Keep standard output as an artifact of this name, byte for byte."""

    limit: Size = Size(1024 * 1024)
    """How much of each output is kept for `stdout` and `stderr`; all of it is shown, logged and captured."""

    async def run(self, context: Context) -> SshOutputs:
        async with AsyncExitStack() as stack:
            path = context.artifact(self.capture, title=self.command) if self.capture else None
            ran = _Ran(context, self.limit, stack.enter_context(path.open("wb")) if path else None)
            ssh, login = await stack.enter_async_context(self.logged_in(context))
            stream = await stack.enter_async_context(ssh.session(self.command, self.env, None, login))
            start = context.now()
            await self._follow(Session(stream), ran)
            seconds = context.now() - start
        self._judge(ran)
        text = ran.text("stdout")
        return SshOutputs(
            stdout=text, stderr=ran.text("stderr"), exit=ran.status, lines=text.splitlines(),
            parsed=self._parsed(text, cut=ran.cut), seconds=seconds,
        )  # fmt: skip

    async def _follow(self, session: Session, ran: _Ran) -> None:
        feeding = asyncio.create_task(session.fed(self.stdin.encode()))
        try:
            with anyio.fail_after(self.within):
                while ran.status < 0:
                    await ran.take(await session.receive())
        except TimeoutError as error:
            raise ExpectationError(
                f"the command was not done within {self.within}", cause="timeout", said=ran.said,
                help="give it more time with within, or run it in the background on the device",
            ) from error  # fmt: skip
        finally:
            feeding.cancel()
            await asyncio.wait((feeding,))

    def _judge(self, ran: _Ran) -> None:
        if self.expect_exit == "any":
            return
        expected = [self.expect_exit] if isinstance(self.expect_exit, int) else self.expect_exit
        if ran.status not in expected:
            wanted = "" if expected == [0] else f", expected {' or '.join(map(str, expected))}"
            raise ExpectationError(
                f"the command exited {ran.status}{wanted}", said=ran.said, help=ADVICE.get(ran.status)
            )

    def _parsed(self, text: str, *, cut: bool) -> Any:
        if self.parse is None:
            return None
        if cut:
            what = f"the command printed more than {self.limit}, so it cannot be parsed"
            raise ExpectationError(what, help="raise limit")
        if self.parse == "lines":
            return [line for line in text.splitlines() if line]
        try:
            return json.loads(text)
        except ValueError as error:
            raise ExpectationError(f"the command's output is not JSON: {error}", said=text[:200]) from error


class _Ran:
    """What a command said so far; `status` is -1 until it has ended."""

    def __init__(self, context: Context, limit: int, file: BinaryIO | None) -> None:
        self._context = context
        self._limit = limit
        self._file = file
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.cut = False
        self.status = -1

    async def take(self, piece: Any) -> None:
        """Keep a piece, and show it."""
        streams: tuple[tuple[Literal["stdout", "stderr"], bytes], ...] = (
            ("stdout", piece.stdout), ("stderr", piece.stderr),
        )  # fmt: skip
        for name, data in streams:
            if data:
                room = self._limit - len(self._kept[name])
                self._kept[name] += data[:room]
                self.cut |= name == "stdout" and len(data) > room
                self._context.output(data, stream=name)
        if self._file and piece.stdout:
            await anyio.to_thread.run_sync(self._file.write, piece.stdout)
        if piece.status is not None:
            self.status = piece.status

    def text(self, name: str) -> str:
        """What was kept of an output, as text."""
        return self._kept[name].decode(errors="backslashreplace").removesuffix("\n").removesuffix("\r")

    @property
    def said(self) -> str | None:
        """The last lines, of standard error if there are any."""
        return last_lines(bytes(self._kept["stderr"])) or last_lines(bytes(self._kept["stdout"]))
