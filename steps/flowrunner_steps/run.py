"""Run a command on the machine that runs the pipeline."""

from __future__ import annotations

import shlex
from typing import Any

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from flowrunner.errors import BenchError
from flowrunner.model import SecretText, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._command import ExpectExit, Parse, judge, printing
from flowrunner_steps._process import execute

SHELL = ("bash", "-eo", "pipefail", "-c")
"""A command as text is a script: the first line that fails ends it, also inside a pipe."""


class RunOutputs(Outputs):
    """What `run` leaves for later steps."""

    stdout: str
    """What the command printed, without the last line ending."""

    stderr: str
    """What it printed to standard error, without the last line ending."""

    exit: int
    """Its exit status; 128 and the number of the signal when one ended it."""

    parsed: Any = None
    """With `parse`: the JSON value, or the lines that are not empty."""


class Run(Step):
    """Run a command on the machine that runs the pipeline.

    Text is run by `bash -eo pipefail`; a list is run as it is, without a shell. The step passes when the exit status is
    the expected one. When the step ends, so do all processes that the command left in its group.

    ```yaml
    steps:
      - run: make -C firmware
      - id: version
        run: {command: [git, describe, --tags], cwd: ../firmware}
      - run:
          command: ./upload.sh
          env: {TOKEN: "${{ secrets.token }}"}
          expect_exit: [0, 3]
    ```
    """

    shorthand = "command"
    outside = True

    command: str | list[str] = Field(min_length=1)
    """The script, or the program with its arguments."""

    cwd: str = "."
    """Where it runs; relative paths start in the pipeline's folder."""

    env: dict[str, SecretText] = {}
    """Variables that are added to the environment; the place for secrets."""

    expect_exit: ExpectExit = 0
    """The exit status that passes, or several, or `any`."""

    parse: Parse | None = None
    """How standard output is read into `parsed`."""

    capture: str | None = None
    """Keep standard output as an artifact of this name, byte for byte."""

    limit: Size = Size(1024 * 1024)
    """How much of each output is kept for `stdout` and `stderr`; all of it is shown, logged and captured."""

    @field_validator("env", mode="before")
    @classmethod
    def _only_text(cls, value: Any) -> Any:
        for name, text in value.items() if isinstance(value, dict) else ():
            if not isinstance(text, str):
                why = f"{name} needs text, got {text!r}"
                raise PydanticCustomError("env", "{why}", {"why": why, "help": f'put it in quotes: "{text}"'})
        return value

    async def run(self, context: Context) -> RunOutputs:
        argv = [*SHELL, self.command] if isinstance(self.command, str) else self.command
        cwd = context.path(self.cwd)
        if not cwd.is_dir():
            raise BenchError(f"there is no folder '{self.cwd}' to run in", blame="config", help=f"looked for {cwd}")
        title = self.command if isinstance(self.command, str) else shlex.join(self.command)
        with printing(context, self.limit, self.capture, title) as printed:
            status = await execute(context, argv, cwd=cwd, env={**context.environment, **self.env}, printed=printed)
        judge(status, self.expect_exit, printed.said)
        return RunOutputs(stdout=printed.stdout, stderr=printed.stderr, exit=status, parsed=printed.parsed(self.parse))
