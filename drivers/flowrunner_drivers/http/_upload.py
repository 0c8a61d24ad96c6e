"""Answering PUT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientPayloadError, web

from flowrunner.errors import BenchError
from flowrunner.model import Duration, Size
from flowrunner_drivers._rooted import LeadsOut, inside
from flowrunner_drivers._served import ServedFiles


async def upload(
    request: web.Request, files: ServedFiles, path: str, *, largest: int | None, timeout: float
) -> web.StreamResponse:
    """Write a file, which is there when all of it has come. `timeout`: seconds that the body may pause.

    Raises:
        HTTPException: it may not be written.
        ConnectionError: the body broke off.
    """
    try:
        place = inside(files.folder, path)
    except (LeadsOut, FileNotFoundError) as problem:
        raise web.HTTPForbidden(text="the path leads out of the served folder\n") from problem
    if "Content-Range" in request.headers:  # RFC 9110, section 14.4: a part must not be taken for the whole
        raise web.HTTPBadRequest(text="only whole files can be written\n")
    if largest is not None and (request.content_length or 0) > largest:
        raise web.HTTPRequestEntityTooLarge(largest, request.content_length or 0)
    if any(above.is_file() for above in place.parents):
        raise web.HTTPConflict(text="a part of the path is a file\n")
    there = place.exists()
    try:
        await files.write(path, _body(request, largest, timeout))
    except BenchError as problem:
        refusal = web.HTTPInsufficientStorage if problem.blame == "infra" else web.HTTPConflict
        raise refusal(text=f"{problem.what}\n") from problem
    response = web.Response(status=204 if there else 201)
    await response.prepare(request)
    await response.write_eof()
    return response


async def _body(request: web.Request, largest: int | None, timeout: float) -> AsyncIterator[bytes]:
    size = 0
    while True:
        try:
            async with asyncio.timeout(timeout):
                piece = await request.content.readany()
        except TimeoutError as problem:
            raise web.HTTPRequestTimeout(text=f"nothing came for {Duration(timeout)}\n") from problem
        except ClientPayloadError as problem:
            raise ConnectionResetError("the body broke off") from problem
        if not piece:
            break
        size += len(piece)
        if largest is not None and size > largest:
            raise web.HTTPRequestEntityTooLarge(largest, size, text=f"more than {Size(largest)} may not be written\n")
        yield piece
    if request.content_length not in (None, size):
        raise ConnectionResetError(f"{size} of {request.content_length} bytes came")
