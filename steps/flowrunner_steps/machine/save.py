"""Keep the state of a virtual machine."""

from __future__ import annotations

from pydantic import Field

from flowrunner.interfaces.machine import Machine
from flowrunner.model import Size
from flowrunner.step import Context, Outputs, Step


class SaveOutputs(Outputs):
    """What `machine.save` leaves for later steps."""

    size: Size
    """How large the state is, without the disk."""


class Save(Step):
    """Keep the state of a virtual machine, memory, processor and disk, for `machine.load`.

    It lasts as long as the lease. A state of that name is replaced. (`snapshot` is something else: it looks at the
    screen.)

    ```yaml
    steps:
      - machine.save: booted
      - machine.load: booted
    ```
    """

    shorthand = "name"
    kind = "setup"
    interfaces = (Machine,)

    name: str = Field(pattern=r"^[A-Za-z_][\w.-]*$", max_length=100)
    """What the state is called."""

    async def run(self, context: Context) -> SaveOutputs:
        machine = context.use(Machine)
        await machine.save(self.name)
        size = next((state.size for state in await machine.saved() if state.name == self.name), 0)
        return SaveOutputs(size=Size(size))
