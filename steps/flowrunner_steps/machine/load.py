"""Go back to a state of a virtual machine."""

from __future__ import annotations

from pydantic import Field

from flowrunner.interfaces.machine import Machine
from flowrunner.step import Context, Step


class Load(Step):
    """Go back to a state that `machine.save` has kept. The machine must be on; what it ran is gone.

    What the consoles of the device printed before is not waited for any more.

    ```yaml
    steps:
      - machine.save: clean
      - foreach: [first, second]
        group:
          - machine.load: clean
          - send: ./test ${{ loop.item }}
    ```
    """

    shorthand = "name"
    kind = "setup"
    interfaces = (Machine,)

    name: str = Field(min_length=1)
    """What the state is called."""

    async def run(self, context: Context) -> None:
        context.skip_output()
        await context.use(Machine).load(self.name)
