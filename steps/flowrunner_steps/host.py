"""Run a method that the owner of the bench configured on the exporter's host."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, cast

from pydantic import Field

from flowrunner.errors import BenchError, near
from flowrunner.interfaces.shell import Shell
from flowrunner.model import SecretText, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._command import ExpectExit, Parse, Printed, judge, printing

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class HostOutputs(Outputs):
    """What `host` leaves for later steps."""

    stdout: str
    """What the method printed, without the last line ending."""

    stderr: str
    """What it printed to standard error, without the last line ending."""

    exit: int
    """Its exit status; 128 and the number of the signal when one ended it."""

    parsed: Any = None
    """With `parse`: the JSON value, or the lines that are not empty."""


class Host(Step):
    """Run a method on the exporter's host: one of those that the owner of the bench configured, and no other.

    Its command, its folder and its time limit are the owner's (`shell.command`); the arguments are its `$1`, `$2` ...
    Its output is shown as it comes, and may be any bytes. When the step ends, so does all that the method started, also
    when the run is cancelled or the runner dies. A command of the pipeline's own runs with `run`, beside the pipeline.

    ```yaml
    steps:
      - host: reset_hub
      - id: climate
        host: {method: temperature, args: [chamber], parse: json}
      - host: {method: relay, args: ["3", "off"], env: {TOKEN: "${{ secrets.token }}"}, expect_exit: [0, 4]}
        timeout: 10s
    ```
    """

    shorthand = "method"
    interfaces = (Shell,)

    method: str = Field(min_length=1)
    """The method's name in the exporter's config."""

    args: list[str] = []
    """Its arguments."""

    env: dict[Name, SecretText] = {}
    """Variables for it; the place for secrets."""

    expect_exit: ExpectExit = 0
    """The exit status that passes, or several, or `any`."""

    parse: Parse | None = None
    """How standard output is read into `parsed`."""

    capture: str | None = None
    """Keep standard output as an artifact of this name, byte for byte."""

    limit: Size = Size(1024 * 1024)
    """How much of each output is kept for `stdout` and `stderr`; all of it is shown, logged and captured."""

    async def run(self, context: Context) -> HostOutputs:
        shell = context.use(Shell)
        known = await shell.get_methods()
        if self.method not in known:
            what, advice = f"the exporter has no method '{self.method}'", near(self.method, known)
            raise BenchError(what, blame="config", driver=context.locate(Shell), help=advice)
        with printing(context, self.limit, self.capture, self.method) as printed:
            status = await self._followed(shell, printed)
        judge(status, self.expect_exit, printed.said, f"the method '{self.method}'")
        return HostOutputs(stdout=printed.stdout, stderr=printed.stderr, exit=status, parsed=printed.parsed(self.parse))

    async def _followed(self, shell: Shell, printed: Printed) -> int:
        """Follow the method to its end; returns its status."""
        status: int | None = None
        pieces = cast("AsyncGenerator[Any]", shell.call_method(self.method, self.args, self.env or None))
        async with aclosing(pieces):
            async for piece in pieces:
                await printed.take("stdout", piece.stdout)
                await printed.take("stderr", piece.stderr)
                status = piece.status if piece.status is not None else status
        if status is None:
            raise BenchError(f"the exporter did not say how the method '{self.method}' ended", blame="infra")
        return status if status >= 0 else 128 - status
