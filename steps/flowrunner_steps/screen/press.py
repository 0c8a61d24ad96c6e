"""Press keys of the target's keyboard."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.interfaces.keysyms import chord
from flowrunner.interfaces.screen import PACE, Screen
from flowrunner.model import Duration
from flowrunner.step import Context, Step


def _known(keys: str) -> str:
    try:
        chord(keys)
    except KeyError as error:
        why = f"there is no key '{keys}'"
        raise PydanticCustomError("key", "{why}", {"why": why, "help": str(error.args[0])}) from error
    return keys


Key = Annotated[str, Field(min_length=1), AfterValidator(_known)]


class Press(Step):
    """Press keys of the keyboard that goes with the target's screen, one after the other.

    Keys are characters and names such as `enter`, `escape`, `f2`, `pagedown`; with `ctrl-`, `alt-`, `shift-` and
    `super-` in front, those are held meanwhile.

    ```yaml
    steps:
      - screen.press: ctrl-alt-delete
      - screen.press: {keys: [down, down, enter]}
      - screen.press: {keys: [f2, f2, f2], pace: 500ms}
    ```
    """

    shorthand = "keys"
    interfaces = (Screen,)

    keys: Key | list[Key]
    """A key, or several that are pressed in order."""

    pace: Duration = Duration(PACE)
    """The time from one key to the next."""

    async def run(self, context: Context) -> None:
        await context.use(Screen).press([self.keys] if isinstance(self.keys, str) else list(self.keys), self.pace)
