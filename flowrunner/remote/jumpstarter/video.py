"""Video, both ways."""

from __future__ import annotations

import base64
import binascii

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.video import Video
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources


class VideoFacade(Facade):
    """What `UStreamerClient` calls of a screen: its picture. `state` is about that program only."""

    client_class = "jumpstarter_driver_ustreamer.client.UStreamerClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.snapshot)

    async def snapshot(self) -> str:
        """One frame in base64."""
        return base64.b64encode(await self.part.snapshot()).decode()


class ForeignVideo(Video):
    """A camera on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def snapshot(self) -> bytes:
        try:
            return base64.b64decode(await self._peer.call("snapshot"), validate=True)
        except (TypeError, binascii.Error) as error:
            raise BenchError("the driver answered with something else than a picture", blame="internal") from error
