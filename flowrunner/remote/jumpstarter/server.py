"""Servers of files, both ways. Their files are the part `storage`, which is like any other store of files."""

from __future__ import annotations

from typing import ClassVar

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.server import FileServer, HttpServer, TftpServer, file_url
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources

EVERYWHERE = ("", "0.0.0.0", "::")


class TftpFacade(Facade):
    """What `TftpServerClient` calls."""

    client_class = "jumpstarter_driver_tftp.client.TftpServerClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.start, self.stop, self.get_host, self.get_port)

    async def start(self) -> None:
        await self.part.start()

    async def stop(self) -> None:
        await self.part.stop()

    async def get_host(self) -> str:
        return str(await self.part.host())

    async def get_port(self) -> int:
        return int(await self.part.port())


class HttpFacade(TftpFacade):
    """What `HttpServerClient` calls; to the URL it adds the names of files itself."""

    client_class = "jumpstarter_driver_http.client.HttpServerClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.get_url)

    async def get_url(self) -> str:
        return str(await self.part.url()).rstrip("/")


class ForeignServer(FileServer):
    """A server on an exporter of Jumpstarter. It is stopped until someone starts it."""

    scheme: ClassVar[str]
    portless: ClassVar[str]
    """What it means that its port is 0."""
    advice: ClassVar[str]

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def start(self) -> None:
        await self._peer.call("start")

    async def stop(self) -> None:
        await self._peer.call("stop")

    async def url(self, path: str = "") -> str:
        port = await self.port()
        return file_url(self.scheme, await self.host(), port, path)

    async def host(self) -> str:
        host = str(await self._peer.call("get_host") or "")
        if host in EVERYWHERE:
            what = f"its exporter says of it no more than that it listens everywhere ('{host}')"
            raise BenchError(what, blame="config", help="set host in the exporter's file to the device's side")
        return host

    async def port(self) -> int:
        port = await self._port()
        if port == 0:
            raise BenchError(self.portless, blame="config", help=self.advice)
        return port

    async def _port(self) -> int:
        """What it says; 0 is none."""
        return int(await self._peer.call("get_port"))


class ForeignTftp(ForeignServer, TftpServer):
    """A TFTP server there. It opens its port after `start` has answered, and tells only its log when it cannot.

    Its port is what its exporter's file says, also when it is stopped. It serves no folders: 0.9.0 refuses names with
    a slash as "Invalid characters in filename".
    """

    scheme = "tftp"
    portless = "it listens on any free port, and its exporter does not say which"
    advice = "set port in the exporter's file"


class ForeignHttp(ForeignServer, HttpServer):
    """An HTTP server there."""

    scheme = "http"
    portless = "the server is stopped"
    advice = "call its start first"

    async def start(self) -> None:
        if await self._port() == 0:  # else it would end what is being transferred, and begin anew
            await super().start()
