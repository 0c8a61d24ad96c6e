"""The open port, and what becomes of each request."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiohttp import web

from flowrunner.model import Duration, Size
from flowrunner_drivers._served import ServedFiles
from flowrunner_drivers.http._download import download
from flowrunner_drivers.http._upload import upload

log = logging.getLogger(__name__)

BACKLOG = 256

CLOSING = 0.1
"""Seconds that requests have to end when the server is stopped."""

TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)
"""Linux, tcp(7): milliseconds that what was sent may go without an acknowledgement."""


@dataclass(frozen=True, slots=True)
class Site:
    """An open port."""

    runner: web.AppRunner
    port: int

    async def close(self) -> None:
        """Close it and all connections."""
        await self.runner.cleanup()


async def listening(
    files: ServedFiles, family: int, address: Any, *, uploads: bool, largest: int | None, timeout: float
) -> Site:
    """Open the port.

    Raises:
        OSError: it cannot be opened.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        path, start = request.match_info["path"], monotonic()
        try:
            if request.method in ("GET", "HEAD"):
                response = await download(request, files.folder, path)
            elif request.method == "PUT" and uploads:
                response = await upload(request, files, path, largest=largest, timeout=timeout)
            else:
                allowed = ["GET", "HEAD", *(["PUT"] if uploads else [])]
                raise web.HTTPMethodNotAllowed(request.method, allowed)
        except web.HTTPException as refusal:
            why = (refusal.text or "").strip()
            log.warning("HTTP: %s %s %s: %d, %s", request.remote, request.method, ascii(path), refusal.status, why)
            raise
        except OSError as problem:
            log.warning("HTTP: %s %s %s broke off: %s", request.remote, request.method, ascii(path), problem)
            if request.transport:
                request.transport.abort()
            return web.Response(status=500)  # nobody is there to read it
        log.info(
            "HTTP: %s %s %s: %d, %s in %s", request.remote, request.method, ascii(path), response.status,
            Size(moved(request, response)), Duration(monotonic() - start),
        )  # fmt: skip
        return response

    sock = _bound(family, address, timeout)
    try:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=timeout, shutdown_timeout=CLOSING)
        await runner.setup()
        await web.SockSite(runner, sock, backlog=BACKLOG).start()
    except BaseException:
        sock.close()
        raise
    return Site(runner, sock.getsockname()[1])


def moved(request: web.Request, response: web.StreamResponse) -> int:
    """Bytes of the body that was read or written."""
    if request.method == "PUT":
        return request.content.total_bytes
    return 0 if request.method == "HEAD" else response.content_length or 0


def _bound(family: int, address: Any, timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, round(timeout * 1000))  # connections inherit it
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
