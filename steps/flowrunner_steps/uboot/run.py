"""Run a command at U-Boot's prompt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flowrunner.console.text import last_lines
from flowrunner.errors import ExpectationError
from flowrunner.step import Context, Outputs
from flowrunner_steps.uboot._prompt import AtPrompt, Command


class RunOutputs(Outputs):
    """What the command left."""

    stdout: str
    """What it printed, without the last line ending."""

    lines: list[str]
    """The lines of `stdout`."""

    exit: int
    """Its exit status: 0 or 1 for most commands of U-Boot."""


class Run(AtPrompt):
    """Run a command at U-Boot's prompt, and learn its exit status. It needs U-Boot's hush shell.

    ```yaml
    steps:
      - uboot.run: mmc rescan
      - id: version
        uboot.run: version
      - uboot.run: {command: "load mmc 0:1 $kernel_addr_r Image", within: 2m}
      - uboot.run: {command: "test -n $board", expect_exit: any}
    ```
    """

    shorthand = "command"

    command: Command = Field(min_length=1)
    """One line; several commands have `;` or `&&` between them."""

    expect_exit: int | Literal["any"] = 0
    """The exit status that passes, or `any`."""

    async def run(self, context: Context) -> RunOutputs:
        async with self.shell(context) as shell:
            ran = await shell.run(self.command)
        if self.expect_exit not in ("any", ran.status):
            wanted = "" if self.expect_exit == 0 else f", expected {self.expect_exit}"
            what = f"U-Boot's '{self.command}' exited {ran.status}{wanted}"
            raise ExpectationError(what, said=last_lines(ran.output))
        return RunOutputs(stdout=ran.text, lines=ran.text.splitlines(), exit=ran.status)
