"""Shells on a board that its flasher boots: the boot loader's prompt, and the system that writes the storage."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal, cast

from flowrunner.commands.command import Command
from flowrunner.commands.console import console_behind
from flowrunner.commands.reading import usage
from flowrunner.commands.terminal import check_terminal
from flowrunner.device import Device
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.storage import BoardFlasher

Place = Literal["bootloader", "system"]


def board_shell(place: Place) -> Command:
    """`bootloader-shell`, `system-shell`: get the board there, then this terminal is its console."""
    where = "its boot loader's prompt" if place == "bootloader" else "the system that writes its storage"
    help = f"Boot the board to {where}, and connect this terminal to it. Ctrl-B three times in a row leaves."

    async def run(node: Device, values: Mapping[str, Any]) -> int:
        console = next((child for child in node.children.values() if child.offers(Console)), None)
        if console is None:
            raise usage(f"'{node.name}' has no console", f"'{place}' boots it all the same")
        print(f"{node.name} boots the board to {where} ...", file=sys.stderr)
        flasher = cast("BoardFlasher", node.client)
        return await console_behind(console, flasher.bootloader if place == "bootloader" else flasher.system)

    return Command(f"{place}-shell", help, (), run, check=lambda values: check_terminal())
