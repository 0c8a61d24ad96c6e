"""Stop U-Boot's autoboot."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from flowrunner.console.keys import keystroke
from flowrunner.console.uboot import UbootShell
from flowrunner.model import Duration, SecretText
from flowrunner.step import Context, Outputs
from flowrunner_steps._keys import known_key
from flowrunner_steps.uboot._prompt import AtPrompt


class InterruptOutputs(Outputs):
    """When the prompt was there."""

    at: Duration
    """Since the run started."""


class Interrupt(AtPrompt):
    """Stop the countdown of U-Boot and get to its prompt.

    The power is not touched: cycle it in the step before. The key is pressed again and again until the prompt comes, so
    it works with a countdown of any length, and when the prompt is there already. Boards that want a password
    (CONFIG_AUTOBOOT_STOP_STR or its encrypted form) get it when the countdown appears.

    ```yaml
    secrets: {stop_string: {}}
    steps:
      - power: cycle
      - uboot.interrupt:
      - uboot.interrupt: {key: ctrl-c, within: 2m, prompt: "MX8> "}
      - uboot.interrupt: {password: "${{ secrets.stop_string }}"}
    ```
    """

    key: Annotated[str, AfterValidator(known_key)] = "space"
    """What is pressed, such as `space`, `escape`, `ctrl-c`."""

    password: SecretText | None = None
    """What is typed when the countdown asks for it, instead of a key."""

    async def run(self, context: Context) -> InterruptOutputs:
        shell = UbootShell(context.console(), prompt=self.prompt, delay=self.delay)
        await shell.interrupt(keystroke(self.key), within=self.within, password=self.password)
        return InterruptOutputs(at=context.now())
