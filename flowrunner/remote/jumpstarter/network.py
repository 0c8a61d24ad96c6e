"""Network, both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal, cast

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface
from flowrunner.interfaces.network import DbusNetwork, Network
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources

KIND = "jumpstarter.dev/dbusnetwork/kind"
"""Label of a message bus: `system` or `session`."""

BORDERS = ("udp://",)
"""How the address of a far end begins whose connections carry datagrams."""


class NetworkFacade(Facade):
    """What `NetworkClient` calls."""

    client_class = "jumpstarter_driver_network.client.NetworkClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.address)
        self.streams["connect"] = self.part.connect

    async def address(self) -> str:
        """Where the far end is.

        Raises:
            ValueError: it is not to be told; their client takes this for that.
        """
        try:
            return str(await self.part.address())
        except BenchError as error:
            if error.blame == "config":
                raise ValueError(error.what) from error
            raise


class DbusFacade(NetworkFacade):
    """What `DbusNetworkClient` calls, and the label that it reads."""

    client_class = "jumpstarter_driver_network.client.DbusNetworkClient"

    async def labels(self) -> Mapping[str, str]:
        return {KIND: await self.part.kind()}


class ForeignNetwork(Network):
    """A far end that is reached from an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._hint: str | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        if self._hint is None:
            self._hint = await self._asked()
        async with AsyncExitStack() as stack:
            opening = self._peer.stream("connect", datagrams=self._hint.startswith(BORDERS))
            try:
                stream = await stack.enter_async_context(opening)
            except BenchError as error:
                where = f"'{self._hint}'" if self._hint else "the far end"
                raise BenchError(f"{where} cannot be reached: {error.what}", blame="infra", help=error.help) from error
            yield stream

    async def address(self) -> str:
        return str(await self._peer.call("address"))

    async def _asked(self) -> str:
        """The address, which says whether borders count; nothing where it is not told."""
        try:
            return await self.address()
        except NotImplementedError:
            return ""
        except BenchError as error:
            if error.blame != "config":
                raise
            return ""


class ForeignDbus(ForeignNetwork, DbusNetwork):
    """A message bus on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer, labels: Mapping[str, str]) -> None:
        super().__init__(peer)
        self._labels = labels

    async def kind(self) -> Literal["system", "session"]:
        if self._labels.get(KIND) not in ("system", "session"):
            raise BenchError(f"its exporter does not say by the label '{KIND}' which bus it is", blame="config")
        return cast("Literal['system', 'session']", self._labels[KIND])
