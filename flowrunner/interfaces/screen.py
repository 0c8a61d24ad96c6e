"""Screen: see what the target shows, and use its keyboard and mouse."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Literal

from flowrunner.interface import ByteStream, call, stream
from flowrunner.interfaces.video import Video
from flowrunner.model import Seconds

Button = Literal["left", "middle", "right"]

PACE = 0.02
"""Seconds from one key to the next: the keyboard of a PC keeps only a few that were not taken."""


class Screen(Video):
    """A screen with a keyboard and a mouse. Positions are in pixels from the left and from the top."""

    name = "screen"
    jumpstarter = "jumpstarter_driver_network.client.NetworkClient"

    @call
    @abstractmethod
    async def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @call
    @abstractmethod
    async def type(self, text: str, pace: Seconds = PACE) -> None:
        """Type `text` on a US keyboard, a key each `pace` seconds. A line's end is Enter."""

    @call
    @abstractmethod
    async def press(self, keys: list[str], pace: Seconds = PACE) -> None:
        """Press keys, one after the other: `enter`, `f2`, `a`, `ctrl-alt-delete`.

        Raises:
            BenchError: there is no such key.
        """

    @call
    @abstractmethod
    async def move(self, x: int, y: int) -> None:
        """Put the mouse there.

        Raises:
            BenchError: that is not on the screen.
        """

    @call
    @abstractmethod
    async def click(self, x: int, y: int, button: Button = "left", count: int = 1) -> None:
        """Put the mouse there and click: `count` 2 is a double click."""

    @call
    @abstractmethod
    async def drag(self, x: int, y: int, to_x: int, to_y: int, button: Button = "left") -> None:
        """Take what is at a place to another one."""

    @call
    @abstractmethod
    async def scroll(self, x: int, y: int, lines: int) -> None:
        """Turn the wheel there: down for a positive number of `lines`, else up."""

    @stream
    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        """Open a connection for a viewer, which speaks RFB (VNC). It asks for no password: we have given that."""
