"""Run a method that the owner of the bench configured on the exporter's host."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, cast

from pydantic import Field

from flowrunner.errors import BenchError, near
from flowrunner.interfaces.shell import Shell
from flowrunner.model import SecretText, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._command import Parse, as_text, judge, parsed

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
    """With `parse`: the JSON value, or the list of lines."""


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

    expect_exit: int | list[int] = 0
    """The exit status that passes, or several."""

    parse: Parse | None = None
    """How standard output is read into `parsed`."""

    capture: Size = Size(1024 * 1024)
    """How much of each output is kept for `stdout` and `stderr`; all of it is shown and logged."""

    async def run(self, context: Context) -> HostOutputs:
        shell = context.use(Shell)
        known = await shell.get_methods()
        if self.method not in known:
            what, advice = f"the exporter has no method '{self.method}'", near(self.method, known)
            raise BenchError(what, blame="config", driver=context.locate(Shell), help=advice)
        stdout, stderr, status = await self._called(shell, context)
        code = status if status >= 0 else 128 - status
        how = f"exited {code}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"
        judge(f"the method '{self.method}'", code, how, self.expect_exit, stdout.kept, stderr.kept)
        cut = str(self.capture) if stdout.cut else None
        return HostOutputs(
            stdout=as_text(stdout.kept), stderr=as_text(stderr.kept), exit=code,
            parsed=parsed(self.parse, stdout.kept, cut=cut, advice="raise capture"),
        )  # fmt: skip

    async def _called(self, shell: Shell, context: Context) -> tuple[_Kept, _Kept, int]:
        stdout, stderr, status = _Kept(self.capture), _Kept(self.capture), None
        pieces = cast("AsyncGenerator[Any]", shell.call_method(self.method, self.args, self.env or None))
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.stdout:
                    stdout.add(piece.stdout)
                    context.output(piece.stdout)
                if piece.stderr:
                    stderr.add(piece.stderr)
                    context.output(piece.stderr, stream="stderr")
                status = piece.status if piece.status is not None else status
        if status is None:
            raise BenchError(f"the exporter did not say how the method '{self.method}' ended", blame="infra")
        return stdout, stderr, status


class _Kept:
    """The first `most` bytes of an output."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.kept = b""
        self.cut = False

    def add(self, data: bytes) -> None:
        """More of it."""
        room = self._most - len(self.kept)
        self.kept += data[:room]
        self.cut |= len(data) > room
