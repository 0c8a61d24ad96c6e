"""What the servers of files have in common: a folder, an address, and being started and stopped."""

from __future__ import annotations

import errno
import socket
import tempfile
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import anyio
from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interfaces.server import FILES, file_url
from flowrunner.model import FilePath
from flowrunner.net.dial import resolve
from flowrunner.net.stream import at, why
from flowrunner_drivers._files.opening import operator
from flowrunner_drivers._files.tracked import TrackedFiles

BEYOND = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses that nobody has (RFC 5737, RFC 3849): the way to them is that to the rest of the world."""

EVERYWHERE = ("0.0.0.0", "::")


class ServerConfig(Config):
    """What is served, and where."""

    root_dir: FilePath | None = None
    """The folder that is served; it is made when it is not there. Left out: a folder of its own, deleted at the end."""

    host: str | None = Field(default=None, min_length=1)
    """The address that it listens on, `0.0.0.0` or `::` for all there are; this host's own when left out."""

    port: int = Field(default=0, ge=0, le=65535)
    """The port that it listens on; 0 for any that is free."""

    address: str | None = Field(default=None, min_length=1)
    """The name or address in URLs, where the device knows this host by another one than `host`."""

    remove_created_on_close: bool = True
    """Whether files that were uploaded are deleted when the exporter closes it."""

    started: bool = True
    """Whether it listens as soon as the exporter opens it; otherwise when a job starts it."""


class Listening(Protocol):
    """An open port."""

    @property
    def port(self) -> int:
        """Its number."""
        ...

    async def close(self) -> None:
        """Close it, and end what is being transferred."""
        ...


C = TypeVar("C", bound=ServerConfig)


class ServedFiles(Driver[ServerConfig], TrackedFiles):
    """The files of a server, open while that is."""

    folder: Path

    def operator(self) -> Any:
        return self._operator

    def root(self) -> Path:
        return self.folder

    @asynccontextmanager
    async def below(self, folder: Path) -> AsyncIterator[None]:
        """Hold the files of `folder`; what was made is deleted at the end if that is wanted."""
        self.folder = folder
        self._operator = operator("fs", {"root": str(folder)})
        self.track()
        try:
            yield
        finally:
            if self.config.remove_created_on_close:
                await self.clean_up()


class Server(Driver[C]):
    """A server of files; a private base."""

    scheme: ClassVar[str]
    kind: ClassVar[socket.SocketKind]

    def __init__(self, config: C, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        if FILES in self.children:
            raise BenchError(f"a server has a part '{FILES}' already", blame="config", help="set its root_dir")
        self.files = ServedFiles(config)
        self.children[FILES] = self.files
        self._listening: Listening | None = None
        self._turn = anyio.Lock()

    @abstractmethod
    async def listen(self, family: int, address: Any) -> Listening:
        """Open the port.

        Raises:
            OSError: it cannot be opened.
        """

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            folder = self.config.root_dir
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowrunner-served-")))
            folder.mkdir(parents=True, exist_ok=True)
            await stack.enter_async_context(self.files.below(folder))
            stack.push_async_callback(self.stop)
            if self.config.started:
                await self.start()
            yield

    async def start(self) -> None:
        async with self._turn:
            if self._listening is None:
                self._listening = await self._open()

    async def stop(self) -> None:
        async with self._turn:
            if self._listening is not None:
                listening, self._listening = self._listening, None
                with anyio.CancelScope(shield=True):
                    await listening.close()

    async def url(self, path: str = "") -> str:
        port = await self.port()
        return file_url(self.scheme, await self.host(), port, path)

    async def host(self) -> str:
        host = self.config.host
        return self.config.address or (_own_address() if host is None or host in EVERYWHERE else host)

    async def port(self) -> int:
        if self._listening is None:
            raise BenchError("the server is stopped", blame="config", help="call its start first")
        return self._listening.port

    async def _open(self) -> Listening:
        config = self.config
        host = config.host or _own_address()
        (family, address), *_ = await resolve(host, config.port, kind=self.kind)
        try:
            return await self.listen(family, address)
        except OSError as error:
            what = f"the {self.scheme.upper()} server cannot listen on {at(host, config.port)}: {why(error)}"
            raise BenchError(what, blame="infra", help=_advice(error)) from error


def _own_address() -> str:
    """The address of this host that it speaks to the rest of the world from. Nothing is sent.

    Raises:
        BenchError: it has none.
    """
    for address, family in BEYOND:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((address, 9))
                return str(probe.getsockname()[0])
            except OSError:
                continue
    raise BenchError("this host has no address of its own", blame="infra", help="set host to the address to listen on")


def _advice(error: OSError) -> str | None:
    match error:
        case PermissionError():
            return "ports below 1024 need root or CAP_NET_BIND_SERVICE; set port to a higher one, or to 0"
        case OSError(errno=errno.EADDRINUSE):
            return "something else listens there; set port to another one, or to 0 for any that is free"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return "host must be an address of this machine"
        case _:
            return None
