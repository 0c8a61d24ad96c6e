"""U-Boot on a board, as clients of Jumpstarter expect it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.uboot import POWER, SERIAL, Uboot

NEEDED: Mapping[str, type[Interface]] = {POWER: Power, SERIAL: Console}


class UbootConfig(Config):
    """How U-Boot prompts."""

    prompt: str = Field(default="\n=>", min_length=1)
    """Its prompt, as plain text."""


class UbootConsole(Driver[UbootConfig], Uboot):
    """U-Boot for clients of Jumpstarter: they switch the part `power`, talk on `serial`, and wait for the prompt.

    Pipelines need it not: the actions `uboot.*` find the console by themselves, and know the prompts that boards have.

    ```yaml
    export:
      power: {type: power.virtual}
      console: {type: console.serial, config: {url: /dev/ttyUSB0}}
      uboot:
        type: console.uboot
        config: {prompt: "=> "}
        children:
          power: {ref: power}
          serial: {ref: console}
    ```
    """

    aliases = ("jumpstarter_driver_uboot.driver.UbootConsole",)

    def __init__(self, config: UbootConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        for name, interface in NEEDED.items():
            if not isinstance(self.children.get(name), interface):
                what = f"it needs a part '{name}' that offers {interface.name}"
                raise BenchError(what, blame="config", help=f"say children: {{{name}: {{ref: ...}}}}")

    async def prompt(self) -> str:
        return self.config.prompt
