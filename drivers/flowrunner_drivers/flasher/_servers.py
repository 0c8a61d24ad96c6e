"""The flasher's parts: its children, or servers of its own where it has none."""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio

from flowrunner.driver import NOTICE, Driver
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import Interface
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.server import FILES, FileServer
from flowrunner.plugins import load

I = TypeVar("I", bound=Interface)  # noqa: E741

TAKEN = "is it a TFTP server that is none of ours? one of flowrunner's is given to the flasher as its child tftp"

AGAIN = 0.25
"""Seconds between two looks whether a port is free."""

log = logging.getLogger(__name__)


def child(children: Mapping[str, Driver[Any]], interface: type[I], *names: str) -> I:
    """The child of one of these names.

    Raises:
        BenchError: there is none, or it offers something else.
    """
    name = next((name for name in names if name in children), None)
    if name is None:
        what = f"a flasher needs a child '{names[0]}' that offers {interface.name}"
        raise BenchError(what, blame="config", help=f"such as {names[0]}: {{ref: {interface.name}}}")
    found = children[name]
    if not isinstance(found, interface):
        raise BenchError(f"the flasher's child '{name}' offers no {interface.name}", blame="config")
    return found


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on a server, for the files of one flashing."""

    server: FileServer
    store: Files
    name: str

    def path(self, file: str) -> str:
        """The path of a file in it."""
        return f"{self.name}/{file}"

    async def url(self, file: str) -> str:
        """Where the board finds the file."""
        return await self.server.url(self.path(file))


class Served:
    """A server: the child `name`, or one of our own, which listens only while it is needed."""

    def __init__(
        self, children: dict[str, Driver[Any]], name: str, interface: type[FileServer], root: Path | None,
        host: str | None, *, port: int,
    ) -> None:  # fmt: skip
        self._own = name not in children
        if self._own:
            config = {"port": port, "started": False, "root_dir": root, "host": host}
            children[name] = load("flowrunner.drivers", Driver, f"{name}.server").make(config)
        self.server: FileServer = child(children, interface, name)
        store = children[name].children.get(FILES)
        if not isinstance(store, Files):
            raise BenchError(f"the flasher's child '{name}' has no part '{FILES}' to put files into", blame="config")
        self._store: Files = store

    @asynccontextmanager
    async def listening(self, patience: float = 0) -> AsyncIterator[None]:
        """While the server listens. Where somebody else has its port, that is awaited for `patience` seconds.

        Raises:
            BenchError: it cannot listen.
        """
        await self._start(anyio.current_time() + patience)
        try:
            yield
        finally:
            if self._own:
                with anyio.CancelScope(shield=True):
                    await self.server.stop()

    async def _start(self, end: float) -> None:
        waits = False
        while True:
            try:
                return await self.server.start()
            except BenchError as error:
                if not (isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE):
                    raise
                if anyio.current_time() >= end:
                    error.help = TAKEN if waits else error.help
                    raise
                if not waits:
                    log.log(NOTICE, "%s; the board waits until it is free", error.what)
                waits = True
                await anyio.sleep(AGAIN)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Folder]:
        """A folder of its own; it is deleted at the end, whatever happened."""
        folder = Folder(self.server, self._store, f"flash-{secrets.token_hex(4)}")
        try:
            yield folder
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._store.remove_all(folder.name)
                except FlowrunnerError as error:
                    log.warning("'%s' could not be deleted from the server: %s", folder.name, error.what)
