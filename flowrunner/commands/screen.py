"""A screen in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread

from flowrunner.commands.command import Command
from flowrunner.commands.forward import PORT, told
from flowrunner.commands.method import Parameter
from flowrunner.commands.streams import STREAM, opened
from flowrunner.device import Device
from flowrunner.net.novnc import serve_novnc

BROWSER = Parameter("browser", bool, True, "Open the page in the browser, where there is a desktop")


def open_command() -> Command:
    """`open`: the screen in the browser, with keyboard and mouse."""
    help = (
        "Show the screen in the browser, with keyboard and mouse, until Ctrl-C.\n\n"
        "noVNC is served on this machine only, at a URL with a secret in it."
    )
    return Command("open", help, (), _open, (PORT, BROWSER, STREAM))


async def _open(node: Device, values: Mapping[str, Any]) -> int:
    async with serve_novnc(lambda: opened(node, values), values.get("port", 0), told) as url:
        print(f"the screen of {node.name} is at {url}", flush=True)
        if values.get("browser", True) and _desktop():
            await anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)
        await anyio.sleep_forever()
    return 0


def _desktop() -> bool:
    """Whether somebody sits before this terminal who could see a window."""
    seen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return seen and sys.stdout.isatty()
