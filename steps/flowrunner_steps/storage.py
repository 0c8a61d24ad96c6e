"""Switch a medium between host and target."""

from __future__ import annotations

from typing import Literal

from flowrunner.interfaces.storage import StorageMux
from flowrunner.step import Context, Step


class Storage(Step):
    """Connect the target's medium to the host, to the target, or to neither.

    `flash` and `dump` do it by themselves.

    ```yaml
    steps:
      - storage: "off"
      - storage: dut
    ```
    """

    shorthand = "to"
    kind = "setup"
    interfaces = (StorageMux,)

    to: Literal["host", "dut", "off"]
    """What it is connected to."""

    async def run(self, context: Context) -> None:
        mux = context.use(StorageMux)
        match self.to:
            case "host":
                await mux.host()
            case "dut":
                await mux.dut()
            case "off":
                await mux.off()
