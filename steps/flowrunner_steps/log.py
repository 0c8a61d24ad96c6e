"""Say something to people."""

from __future__ import annotations

from typing import Literal

from flowrunner.step import Context, Step


class Log(Step):
    """Write a line to the terminal and the report.

    ```yaml
    steps:
      - log: flashing ${{ inputs.image }}
      - log: {message: "this board is slow", level: warning}
    ```
    """

    shorthand = "message"

    message: str
    """What to say."""

    level: Literal["info", "warning", "error"] = "info"
    """How serious it is; it never changes the outcome."""

    async def run(self, context: Context) -> None:
        context.log(self.message, level=self.level)
