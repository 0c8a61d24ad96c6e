"""What all actions at U-Boot's prompt share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from flowrunner.console.regexes import Regex
from flowrunner.console.text import last_lines
from flowrunner.console.uboot import PROMPT, UbootShell
from flowrunner.errors import ExpectationError
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration
from flowrunner.step import Context, Step


class AtPrompt(Step):
    """A step at U-Boot's prompt."""

    kind = "setup"
    interfaces = (Console,)

    prompt: Regex = PROMPT
    """U-Boot's prompt, as a regular expression from the beginning of its line."""

    delay: Duration = Duration(0)
    """The pause between two typed characters, for consoles that lose them."""

    within: Duration = Duration(60)
    """How long all of it may take."""

    @asynccontextmanager
    async def shell(self, context: Context) -> AsyncIterator[UbootShell]:
        """U-Boot on the step's console; when time runs out Ctrl-C is pressed."""
        session = context.console()
        shell = UbootShell(session, prompt=self.prompt, delay=self.delay)
        begin = session.end
        try:
            with anyio.fail_after(self.within):
                yield shell
        except TimeoutError as error:
            said = last_lines(session.read(max(begin, session.end - 4096)))
            await shell.give_up()
            raise ExpectationError(f"U-Boot was not done within {self.within}", cause="timeout", said=said) from error
        except anyio.get_cancelled_exc_class():
            await shell.give_up()
            raise


def _one_line(text: str) -> str:
    if not text.isprintable():
        why = "has characters that U-Boot's prompt does not take, such as a line ending"
        raise PydanticCustomError("command", "{why}", {"why": why, "help": "write one line; several steps for several"})
    return text


Command = Annotated[str, AfterValidator(_one_line)]
