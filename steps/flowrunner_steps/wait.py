"""Let time pass."""

from __future__ import annotations

import anyio

from flowrunner.model import Duration
from flowrunner.step import Context, Step


class Wait(Step):
    """Wait for a while. Where something can be waited for, `expect` is the better step.

    ```yaml
    steps:
      - wait: 10s
    ```
    """

    shorthand = "duration"
    kind = "setup"

    duration: Duration
    """How long."""

    async def run(self, context: Context) -> None:
        await anyio.sleep(self.duration)
