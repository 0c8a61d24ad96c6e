"""Type on the target's keyboard."""

from __future__ import annotations

from flowrunner.interfaces.screen import PACE, Screen
from flowrunner.model import Duration, SecretText
from flowrunner.step import Context, Step


class Type(Step):
    """Type text on the keyboard that goes with the target's screen, as on a US keyboard.

    For the console, use `send`.

    ```yaml
    secrets: {unlock_code: {}}
    steps:
      - screen.type: root
      - screen.type: {text: "${{ secrets.unlock_code }}", enter: true}
    ```
    """

    shorthand = "text"
    interfaces = (Screen,)

    text: SecretText
    """What to type; the end of a line is the Enter key. It may hold a secret."""

    enter: bool = False
    """Whether to press Enter behind it."""

    pace: Duration = Duration(PACE)
    """The time from one key to the next: for targets that lose some."""

    async def run(self, context: Context) -> None:
        await context.use(Screen).type(self.text + ("\n" if self.enter else ""), self.pace)
