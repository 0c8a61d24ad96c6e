"""A screen in the browser: noVNC's page, served on this machine only, and its WebSocket to a VNC server."""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import anyio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream
from flowrunner.net.forward import LOOPBACK, OnError, log_error
from flowrunner.net.listen import listen_tcp
from flowrunner.net.pump import join

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

VARIABLE = "FLOW_NOVNC"
PLACES = (
    "/usr/share/novnc",
    "/usr/share/webapps/novnc",
    "/usr/local/share/novnc",
    "/opt/novnc",
    "/usr/local/lib/node_modules/@novnc/novnc",
    "/usr/lib/node_modules/@novnc/novnc",
)
"""Where noVNC lies: Debian, Fedora and Ubuntu; Alpine and Arch; by hand; by npm."""

PAGE, SOCKET = "vnc.html", "websockify"
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}

Connect = Callable[[], AbstractAsyncContextManager[ByteStream]]


def find_novnc() -> Path:
    """The folder with noVNC's files.

    Raises:
        BenchError: it is not installed.
    """
    named = os.environ.get(VARIABLE)
    for place in (named,) if named else PLACES:
        if Path(place, PAGE).is_file():
            return Path(place).resolve()
    what = f"noVNC is not in '{named}', which {VARIABLE} names" if named else "noVNC is not installed"
    help = f"apt-get install novnc, or name the folder with its {PAGE} in {VARIABLE}; a viewer needs forward-tcp only"
    raise BenchError(what, blame="infra", help=help)


@asynccontextmanager
async def serve_novnc(connect: Connect, port: int = 0, on_error: OnError = log_error) -> AsyncIterator[str]:
    """Serve the page at a port of loopback; gives its URL. Who does not know the URL's secret part gets nothing.

    Each connection of a page is one of `connect`; `on_error` is told why one ended.

    Raises:
        BenchError: noVNC is not installed, or the port is in use.
    """
    from websockets.asyncio.server import serve  # takes 60 ms

    site = _Site(find_novnc(), secrets.token_urlsafe(16))

    async def talk(socket: ServerConnection) -> None:
        try:
            async with connect() as far:
                await join(_Messages(socket), far)
        except (FlowrunnerError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            on_error(error if isinstance(error, FlowrunnerError) else BenchError(f"a connection broke: {error}"))

    listener = await listen_tcp(LOOPBACK, port)
    async with serve(talk, sock=listener, process_request=site.answer, compression=None, max_size=None):
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}{site.page}"


class _Site:
    """noVNC's files below a path that nobody can guess."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._root = f"/{token}/"
        self.page = f"{self._root}{PAGE}?autoconnect=1&resize=scale&path={token}/{SOCKET}"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The file that is asked for; None where a WebSocket may be."""
        path = unquote(urlsplit(request.path).path)
        if not secrets.compare_digest(path[: len(self._root)].encode(), self._root.encode()):
            return connection.respond(HTTPStatus.NOT_FOUND, "there is nothing here\n")
        name = path[len(self._root) :]
        if name == SOCKET:
            return None
        file = (self._folder / name).resolve()
        if not (file.is_relative_to(self._folder) and file.is_file()):
            return connection.respond(HTTPStatus.NOT_FOUND, f"noVNC has no {name}\n")
        response = connection.respond(HTTPStatus.OK, "")
        response.body = file.read_bytes()
        del response.headers["Content-Type"], response.headers["Content-Length"]
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        for key, value in {"Content-Type": kind, "Content-Length": str(len(response.body)), **HEADERS}.items():
            response.headers[key] = value
        return response


class _Messages:
    """A WebSocket as a byte stream: where its messages begin means nothing."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def receive(self) -> bytes:
        from websockets.exceptions import ConnectionClosed

        try:
            data = await self._socket.recv()
        except ConnectionClosed as error:
            raise anyio.EndOfStream from error
        return data.encode() if isinstance(data, str) else data

    async def send(self, data: bytes, /) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        await self._socket.close()
