"""Speak to QEMU's monitor."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from flowrunner.interfaces.machine import Machine
from flowrunner.step import Context, Outputs, Step


class QmpOutputs(Outputs):
    """What `machine.qmp` leaves for later steps."""

    result: Any
    """QEMU's answer."""


class Qmp(Step):
    """Pass a command to QEMU's monitor, for what has no step of its own: faults, hot plugging, statistics.

    The commands are those of QEMU's QMP Reference Manual.

    ```yaml
    steps:
      - machine.qmp: inject-nmi
      - id: status
        machine.qmp: query-status
      - assert: ${{ steps.status.outputs.result.running }}
      - machine.qmp: {command: set_link, with: {name: network, up: false}}
    ```
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    shorthand = "command"
    kind = "setup"
    interfaces = (Machine,)

    command: str = Field(min_length=1)
    """The command's name."""

    arguments: dict[str, Any] | None = Field(default=None, alias="with")
    """The command's arguments by name."""

    async def run(self, context: Context) -> QmpOutputs:
        return QmpOutputs(result=await context.use(Machine).qmp(self.command, self.arguments))
