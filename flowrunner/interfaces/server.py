"""Servers: files that the exporter offers to the device over the network."""

from __future__ import annotations

from abc import abstractmethod
from urllib.parse import quote

from flowrunner.interface import Interface, call

FILES = "storage"
"""The part of a server that holds its files."""

USUAL_PORTS = {"tftp": 69, "http": 80}
"""The ports that a URL leaves out."""


def file_url(scheme: str, host: str, port: int, path: str) -> str:
    """The URL of a file of a server: `tftp://192.168.7.1/boot/Image`, `http://[::1]:8080/a%20b`."""
    host = f"[{host}]" if ":" in host else host
    place = host if port == USUAL_PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{place}/{quote(path.lstrip('/'))}"


class FileServer(Interface):
    """A server beside the device. What it serves is in its part `storage`, which offers `files`."""

    name = "server"

    @call
    @abstractmethod
    async def start(self) -> None:
        """Listen. A server that listens already goes on as it is.

        Raises:
            BenchError: the address is taken, is not one of the exporter's, or needs rights.
        """

    @call
    @abstractmethod
    async def stop(self) -> None:
        """Listen no more, and end what is being transferred. Stopped when stopped already is no error."""

    @call
    @abstractmethod
    async def url(self, path: str = "") -> str:
        """Where the device finds the file `path`: `tftp://192.168.7.1/boot/Image`. Whether it is there is not asked.

        Raises:
            BenchError: the server is stopped.
        """

    @call
    @abstractmethod
    async def host(self) -> str:
        """The server's address, as the device knows it."""

    @call
    @abstractmethod
    async def port(self) -> int:
        """The port that it listens on.

        Raises:
            BenchError: the server is stopped.
        """


class TftpServer(FileServer):
    """A TFTP server, for devices that boot from the network."""

    name = "tftp"
    jumpstarter = "jumpstarter_driver_tftp.client.TftpServerClient"


class HttpServer(FileServer):
    """An HTTP server."""

    name = "http"
    jumpstarter = "jumpstarter_driver_http.client.HttpServerClient"
