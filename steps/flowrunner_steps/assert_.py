"""Check that something is true."""

from __future__ import annotations

from pydantic import StrictBool

from flowrunner.errors import ExpectationError
from flowrunner.step import Context, Step


class Assert(Step):
    """Check a boolean.

    There is no truthiness: text, numbers and lists are an error, so compare them.

    ```yaml
    steps:
      - id: release
        shell: cat /etc/version
      - assert:
          that: ${{ 'rc' not in steps.release.outputs.stdout }}
          message: a release candidate was flashed, ${{ steps.release.outputs.stdout }}
    ```
    """

    shorthand = "that"

    that: StrictBool
    """What must be true."""

    message: str = "the assertion does not hold"
    """What to say when it is not."""

    async def run(self, context: Context) -> None:
        if not self.that:
            raise ExpectationError(self.message)
