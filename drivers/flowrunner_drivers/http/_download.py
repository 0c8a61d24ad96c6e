"""Answering GET and HEAD."""

from __future__ import annotations

import asyncio
import mimetypes
import os
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aiohttp import ETag, web

from flowrunner_drivers._rooted import LeadsOut, NotAFile, in_thread, open_inside
from flowrunner_drivers.http._ranges import Unsatisfiable, part


async def download(request: web.Request, root: Path, path: str) -> web.StreamResponse:
    """Send a file, or the part of it that is asked for.

    Raises:
        HTTPException: it cannot be had.
        ConnectionError: the client went away.
    """
    file = await in_thread(partial(_opened, root, path))
    with file:
        about = os.fstat(file.fileno())
        response = web.StreamResponse()
        response.etag = ETag(f"{about.st_mtime_ns:x}-{about.st_size:x}")
        response.last_modified = about.st_mtime
        response.headers["Accept-Ranges"] = "bytes"
        response.content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        if _is_current(request, response):
            response.set_status(304)
            await response.prepare(request)
            return response
        wanted = _wanted(request, response, about.st_size)
        response.content_length = len(wanted)
        await response.prepare(request)
        if wanted and request.method != "HEAD":
            await _send(request, file, wanted)
        await response.write_eof()
        return response


def _opened(root: Path, path: str) -> BinaryIO:
    try:
        return open_inside(root, path)
    except LeadsOut as problem:
        raise web.HTTPForbidden(text="the path leads out of the served folder\n") from problem
    except NotAFile as problem:
        raise web.HTTPNotFound(text="this is no file, and folders have no listing\n") from problem
    except PermissionError as problem:
        raise web.HTTPForbidden(text="the file may not be read\n") from problem
    except OSError as problem:
        raise web.HTTPNotFound(text="there is no such file\n") from problem


def _is_current(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether the client has it already; raises when what it has must be current and is not (RFC 9110, section 13)."""
    own, changed = response.etag, response.last_modified
    assert own and changed
    if (match := request.if_match) is not None:
        if not any(tag.value in ("*", own.value) and not tag.is_weak for tag in match):
            raise web.HTTPPreconditionFailed(text="the file is another one now\n")
    elif (since := request.if_unmodified_since) and changed > since:
        raise web.HTTPPreconditionFailed(text="the file was changed\n")
    if (none := request.if_none_match) is not None:
        return any(tag.value in ("*", own.value) for tag in none)
    return bool((since := request.if_modified_since) and changed <= since)


def _wanted(request: web.Request, response: web.StreamResponse, size: int) -> range:
    """The bytes to send; what `response` says is made fit."""
    if not _same_as_before(request.headers.get("If-Range"), response):
        return range(size)
    try:
        wanted = part(request.headers.get("Range"), size)
    except Unsatisfiable as problem:
        about = {"Content-Range": f"bytes */{size}"}
        raise web.HTTPRequestRangeNotSatisfiable(headers=about, text=f"the file has {size} bytes\n") from problem
    if wanted is None:
        return range(size)
    response.set_status(206)
    response.headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return wanted


def _same_as_before(header: str | None, response: web.StreamResponse) -> bool:
    """Whether `If-Range` allows a part: it names this very file, by its ETag or its date."""
    return header is None or header in (response.headers["ETag"], response.headers["Last-Modified"])


async def _send(request: web.Request, file: BinaryIO, wanted: range) -> None:
    """Send content, within the kernel."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client went away")
    sent = await asyncio.get_running_loop().sendfile(transport, file, wanted.start, len(wanted))
    if sent != len(wanted):
        transport.abort()
        raise ConnectionResetError("the file became shorter while it was sent")
