"""Run a command by SSH. The underscore makes room for the package `ssh`, where the other actions of SSH are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated, Any

import anyio
from pydantic import Field

from flowrunner.interfaces.ssh_session import Session
from flowrunner.model import Duration, SecretText, Size
from flowrunner.step import Context, Outputs
from flowrunner_steps._command import ExpectExit, Parse, Printed, judge, printing, too_slow
from flowrunner_steps._ssh import AtSsh

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


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

    expect_exit: ExpectExit = 0
    """The exit status that passes, or several, or `any`."""

    env: dict[Name, SecretText] = {}
    """Variables for this command; the place for secrets, which no list of processes shows."""

    stdin: SecretText = ""
    """What the command reads from its standard input."""

    parse: Parse | None = None
    """How standard output is read into `parsed`."""

    capture: str | None = None
    """Keep standard output as an artifact of this name, byte for byte."""

    limit: Size = Size(1024 * 1024)
    """How much of each output is kept for `stdout` and `stderr`; all of it is shown, logged and captured."""

    async def run(self, context: Context) -> SshOutputs:
        with printing(context, self.limit, self.capture, self.command) as printed:
            async with AsyncExitStack() as stack:
                ssh, login = await stack.enter_async_context(self.logged_in(context))
                stream = await stack.enter_async_context(ssh.session(self.command, self.env, None, login))
                start = context.now()
                status = await self._followed(Session(stream), printed)
                seconds = context.now() - start
        judge(status, self.expect_exit, printed.said)
        stdout = printed.stdout
        return SshOutputs(
            stdout=stdout, stderr=printed.stderr, exit=status, lines=stdout.splitlines(),
            parsed=printed.parsed(self.parse), seconds=seconds,
        )  # fmt: skip

    async def _followed(self, session: Session, printed: Printed) -> int:
        """Feed the command and follow it to its end; returns its status."""
        feeding = asyncio.create_task(session.fed(self.stdin.encode()))
        try:
            with anyio.fail_after(self.within):
                while True:
                    piece = await session.receive()
                    await printed.take("stdout", piece.stdout)
                    await printed.take("stderr", piece.stderr)
                    if piece.status is not None:
                        return piece.status
        except TimeoutError as error:
            raise too_slow(self.within, printed.said) from error
        finally:
            feeding.cancel()
            await asyncio.wait((feeding,))
