"""Run a command in the shell on the console."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.console.posix import PosixShell, Ran
from flowrunner.console.text import last_lines
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, SecretText, Size
from flowrunner.step import ConsoleSession, Context, Outputs, Step
from flowrunner_steps._command import ExpectExit, Parse, judge, parsed, too_slow


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("command", "{why}", {"why": "has a NUL character, which no shell takes", "help": ""})
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Text = Annotated[str, AfterValidator(_without_nul)]


class ShellOutputs(Outputs):
    """What `shell` leaves for later steps."""

    stdout: str
    """What the command printed, standard error included, without escape sequences and the last line ending."""

    exit: int
    """Its exit status."""

    lines: list[str]
    """The lines of `stdout`."""

    parsed: Any = None
    """With `parse`: the JSON value, or the lines that are not empty."""

    seconds: Duration
    """How long it took, typing included."""


class Shell(Step):
    """Run a command in the POSIX shell that is logged in on the console, and learn its exit status.

    The command runs in that very shell: a `cd` or a variable stays for the next one. With `env` it runs in a subshell.
    It may have several lines and any characters. Its output is what the console shows between two markers, so standard
    error is in it, and so are messages that a kernel prints meanwhile (`dmesg -n 1` keeps it quiet). When time runs
    out, Ctrl-C is pressed. `exit` would end the shell itself: use a subshell, `(exit 3)`.

    ```yaml
    steps:
      - id: release
        shell: cat /etc/os-release
      - shell: {command: "systemctl is-active sshd", expect_exit: [0, 3], within: 10s}
      - id: links
        shell: {command: ip -j link, parse: json, capture: links.json}
      - shell:
          command: |
            for dev in /dev/mmcblk?; do
              echo "$dev"
            done
      - shell: {command: 'curl -H "Authorization: $TOKEN" http://10.0.2.2/', env: {TOKEN: "${{ secrets.token }}"}}
    ```
    """

    shorthand = "command"
    interfaces = (Console,)

    command: Text = Field(min_length=1)
    """The command, or several lines of them."""

    within: Duration = Duration(60)
    """How long it may take."""

    expect_exit: ExpectExit = 0
    """The exit status that passes, or several, or `any`."""

    env: dict[Name, Annotated[SecretText, AfterValidator(_without_nul)]] = {}
    """Variables for this command; the place for secrets, typed with the echo off."""

    parse: Parse | None = None
    """How the output is read into `parsed`."""

    capture: str | None = None
    """Keep the output as an artifact of this name, byte for byte but for line endings."""

    limit: Size = Size(16 * 1024 * 1024)
    """How much the command may print."""

    async def run(self, context: Context) -> ShellOutputs:
        console, start = context.console(), context.now()
        ran = await self._run(console)
        seconds = context.now() - start
        if self.capture:
            await anyio.Path(context.artifact(self.capture, title=self.command)).write_bytes(ran.output)
        judge(ran.status, self.expect_exit, last_lines(ran.output))
        text = ran.text
        return ShellOutputs(
            stdout=text, exit=ran.status, lines=text.splitlines(), parsed=parsed(self.parse, text), seconds=seconds
        )

    async def _run(self, console: ConsoleSession) -> Ran:
        shell = PosixShell(console)
        try:
            with anyio.fail_after(self.within):
                return await shell.run(self.command, env=self.env, limit=self.limit)
        except TimeoutError as error:
            said = shell.said()
            await shell.interrupt()
            raise too_slow(self.within, said) from error
        except anyio.get_cancelled_exc_class():
            await shell.interrupt()
            raise
