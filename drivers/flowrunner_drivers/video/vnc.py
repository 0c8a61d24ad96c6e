"""video.vnc: a screen with keyboard and mouse, behind a VNC server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner_drivers._rfb.screen import RfbScreen


class VncConfig(Config):
    """What the server wants to know."""

    password: str | None = Field(default=None, min_length=1)
    """The password, of which VNC takes the first eight characters."""

    default_encrypt: bool = False
    """Taken for files of Jumpstarter, without effect: its page is told to encrypt, ours stays on this machine."""


class VncScreen(Driver[VncConfig], RfbScreen):
    """The screen, keyboard and mouse of whatever has a VNC server: a device, a KVM switch, a simulator.

    The one child, whatever it is called, is the network that leads to the server. The server is logged in to without a
    password or with one of VNC (which is weak: eight characters, and nothing is encrypted behind it).

    ```yaml
    export:
      screen:
        type: video.vnc
        config: {password: secret}
        children:
          tcp: {type: network.tcp, config: {host: 192.168.7.2, port: 5900}}
    ```
    """

    aliases = ("jumpstarter_driver_vnc.driver.Vnc",)

    def __init__(self, config: VncConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        ways = [child for child in self.children.values() if isinstance(child, Network)]
        if len(ways) != 1:
            help = "give it one child that is a network, such as tcp: {type: network.tcp, ...}"
            raise BenchError(f"a screen needs one way to its VNC server, got {len(ways)}", blame="config", help=help)
        self.password = config.password
        self._way = ways[0]

    def server(self) -> AbstractAsyncContextManager[ByteStream]:
        return self._way.connect()
