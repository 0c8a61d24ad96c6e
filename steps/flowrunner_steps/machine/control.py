"""Pause, resume, reset or shut down a virtual machine."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from flowrunner.interfaces.machine import Machine
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs, Step


class ControlOutputs(Outputs):
    """What `machine.control` leaves for later steps."""

    state: str
    """What the machine says of itself now: `running`, `paused`, `off` ..."""


class Control(Step):
    """Do with a virtual machine what its buttons and its clock can do.

    `shutdown` presses the power button and waits until the guest has ended by itself; `power: off` cuts the power.

    ```yaml
    steps:
      - machine.control: pause
      - machine.control: resume
      - machine.control: {action: shutdown, within: 30s}
    ```
    """

    shorthand = "action"
    kind = "setup"
    interfaces = (Machine,)

    action: Literal["pause", "resume", "reset", "shutdown"]
    """What to do."""

    within: Duration = Duration(60)
    """How long the guest may take to shut down."""

    @field_validator("within", mode="after")
    @classmethod
    def _fits_the_action(cls, value: Duration, info: ValidationInfo) -> Duration:
        action = info.data.get("action")
        if action not in (None, "shutdown"):
            why = f"has a meaning only for shutdown, the action is {action}"
            raise PydanticCustomError("misplaced", "{why}", {"why": why, "help": "leave it out"})
        return value

    async def run(self, context: Context) -> ControlOutputs:
        machine = context.use(Machine)
        if self.action == "reset":
            context.skip_output()
        match self.action:
            case "pause":
                await machine.pause()
            case "resume":
                await machine.resume()
            case "reset":
                await machine.reset()
            case "shutdown":
                await machine.shutdown(self.within)
        return ControlOutputs(state=await machine.state())
