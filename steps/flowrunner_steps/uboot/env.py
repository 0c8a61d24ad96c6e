"""Read and set U-Boot's environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowrunner.errors import ExpectationError
from flowrunner.step import Context, Outputs
from flowrunner_steps.uboot._prompt import AtPrompt, Command

Name = Annotated[str, Field(pattern=r"^[^\s=;'\"$&|\\]+$")]


class EnvOutputs(Outputs):
    """What was read."""

    values: dict[str, str]
    """The variables of `get` that there are."""


class Env(AtPrompt):
    """Set variables of U-Boot's environment, then read some. Nothing is saved unless `save` says so.

    ```yaml
    steps:
      - uboot.env: {set: {bootdelay: "-1", extra: "it's quiet"}, unset: [bootargs]}
      - id: net
        uboot.env: {get: [ethaddr, serial#]}
      - log: ${{ steps.net.outputs.values.ethaddr }}
    ```
    """

    set: dict[Name, Command] = {}
    """Variables with their values."""

    unset: list[Name] = []
    """Variables to remove."""

    get: list[Name] = []
    """Variables to read."""

    optional: bool = False
    """Whether one of `get` that there is not is left out; without it that is a failure."""

    save: bool = False
    """Whether the environment is written to where the board keeps it (`saveenv`)."""

    async def run(self, context: Context) -> EnvOutputs:
        async with self.shell(context) as shell:
            for name, value in self.set.items():
                await shell.set(name, value)
            for name in self.unset:
                await shell.set(name, None)
            if self.save:
                await shell.checked("saveenv")
            found = {name: await shell.get(name) for name in self.get}
        missing = [name for name, value in found.items() if value is None]
        if missing and not self.optional:
            raise ExpectationError(f"U-Boot has no variable {', '.join(missing)}", help="optional: true allows that")
        return EnvOutputs(values={name: value for name, value in found.items() if value is not None})
