"""A screen in the browser, with keyboard and mouse."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from flowrunner.interfaces.network import Network
from flowrunner.interfaces.screen import Screen
from flowrunner.net.novnc import serve_novnc


def novnc_on(screen: Screen | Network, port: int = 0) -> AbstractAsyncContextManager[str]:
    """The URL of noVNC's page for `screen`, or for a VNC server that a network part leads to.

    It is served by this machine for this machine only, as long as the block lasts; who has the URL has the screen.

    Raises:
        BenchError: noVNC is not installed, or the port is in use.
    """
    return serve_novnc(screen.connect, port)
