"""U-Boot's prompt on a console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowrunner.console.alone import reading
from flowrunner.console.keys import keystroke
from flowrunner.console.uboot import PROMPT, UbootShell
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power


@asynccontextmanager
async def uboot_on(
    console: Console, power: Power | None = None, *, within: float = 60.0, key: str = "space",
    password: str | None = None, prompt: str = PROMPT, delay: float = 0.0,
) -> AsyncIterator[UbootShell]:  # fmt: skip
    """U-Boot at its prompt: `run`, `checked`, `get`, `set`, `dhcp`, `load`, `boot`. With `power` it is cycled before.

    `key` stops the countdown, or `password`, within so many seconds; `prompt` is a regular expression, `delay` are the
    seconds between two typed characters.

    Raises:
        ExpectationError: there was no prompt in time.
        BenchError: the console or the power failed.
    """
    async with reading(console) as reader:
        if power is not None:
            reader.session.skip()
            await power.cycle()
        shell = UbootShell(reader.session, prompt=prompt, delay=delay)
        await shell.interrupt(keystroke(key), within=within, password=password)
        yield shell
