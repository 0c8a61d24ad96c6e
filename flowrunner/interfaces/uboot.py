"""U-Boot on a board: which parts lead to it, and how it prompts."""

from __future__ import annotations

from abc import abstractmethod

from flowrunner.interface import Interface, call

POWER = "power"
"""The part that switches the board."""

SERIAL = "serial"
"""The part that U-Boot's console is on."""


class Uboot(Interface):
    """U-Boot on a board, whose parts `power` and `serial` offer `power` and `console`."""

    name = "uboot"
    jumpstarter = "jumpstarter_driver_uboot.client.UbootConsoleClient"

    @call
    @abstractmethod
    async def prompt(self) -> str:
        """How it asks for a command, as plain text. It may begin with a line feed, the end of the line before."""
