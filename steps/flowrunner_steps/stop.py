"""End the run early."""

from __future__ import annotations

from typing import Literal

from flowrunner.step import Context, Step


class Stop(Step):
    """End the body of the run here, with an outcome. `finally` still runs.

    ```yaml
    steps:
      - id: version
        shell: cat /etc/version
      - if: ${{ steps.version.outputs.stdout == inputs.version }}
        stop: {outcome: passed, message: "this version is on the board already"}
    ```
    """

    shorthand = "outcome"
    kind = "setup"

    outcome: Literal["passed", "failed", "errored"]
    """How the run ends."""

    message: str = "the pipeline stopped here"
    """Why."""

    async def run(self, context: Context) -> None:
        context.stop(self.outcome, self.message)
