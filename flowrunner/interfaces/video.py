"""Video: see what the target shows."""

from __future__ import annotations

from abc import abstractmethod

from flowrunner.interface import Interface, call


class Video(Interface):
    """A screen or a camera."""

    name = "video"
    jumpstarter = "jumpstarter_driver_ustreamer.client.UStreamerClient"

    @call
    @abstractmethod
    async def snapshot(self) -> bytes:
        """One frame, as a PNG or JPEG file."""
