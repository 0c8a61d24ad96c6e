"""Type on the console."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from flowrunner.console.keys import keystroke
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, SecretText
from flowrunner.step import Context, Step
from flowrunner_steps._keys import known_key

LineEnding = Literal["lf", "cr", "crlf", "none"]
ENDINGS: dict[LineEnding, bytes] = {"lf": b"\n", "cr": b"\r", "crlf": b"\r\n", "none": b""}


def _hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError as error:
        why = f"is not hexadecimal: {text!r}"
        raise PydanticCustomError("hex", "{why}", {"why": why, "help": "write two digits a byte: 1b 5b 41"}) from error
    return text


Key = Annotated[str, AfterValidator(known_key)]


class Send(Step):
    """Type text, keys or bytes on the console.

    Text is followed by a line ending. Keys are names such as `enter`, `tab`, `escape`, `up`, `f2`, `ctrl-c`; a list of
    them is pressed in order. The device's echo is not awaited.

    ```yaml
    secrets: {unlock_code: {}}
    steps:
      - send: run bootcmd
      - send: {key: ctrl-c}
      - send: {text: "${{ secrets.unlock_code }}", secret: true, line_ending: cr, delay: 5ms}
      - send: {key: [down, down, enter]}
      - send: {hex: "1b 5b 41"}
    ```
    """

    shorthand = "text"
    interfaces = (Console,)

    text: SecretText | None = None
    """What to type; it may hold a secret."""

    key: Key | list[Key] | None = None
    """A key or several, instead of text."""

    hex: Annotated[str, AfterValidator(_hex)] | None = None
    """Bytes in hexadecimal, instead of text."""

    line_ending: LineEnding = "lf"
    """What follows text; `cr` is what the Enter key of a terminal sends."""

    delay: Duration = Duration(0)
    """The pause between two bytes: for devices that lose some."""

    secret: bool = False
    """Whether the journal shows stars instead of what is typed; secrets are masked anyway."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("text", "key", "hex") if getattr(self, name) is not None]
        if len(given) != 1:
            why = f"needs one of text, key, hex, got {' and '.join(given) or 'none'}"
            raise PydanticCustomError("one-of", "{why}", {"why": why, "help": "use several send steps"})
        return self

    async def run(self, context: Context) -> None:
        await context.console().send(self._data(), delay=self.delay, secret=self.secret)

    def _data(self) -> bytes:
        if self.hex is not None:
            return bytes.fromhex(self.hex)
        if self.key is not None:
            return b"".join(keystroke(key) for key in ([self.key] if isinstance(self.key, str) else self.key))
        return (self.text or "").encode() + ENDINGS[self.line_ending]
