"""One request and its response, over aiohttp."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread

from flowrunner.errors import BenchError, ExpectationError, FlowrunnerError
from flowrunner.interfaces.network import Network
from flowrunner.model import Size
from flowrunner.net.forward import forward_unix
from flowrunner.step import Context

PIECE = 1 << 18
"""Bytes that are moved at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str | dict[str, Any] | list[Any] | None
    file: Path | None
    follow: bool
    verify: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Response:
    """What was answered; `text` is empty when the body went to a file."""

    status: int
    url: str
    headers: dict[str, str]
    text: str
    size: int
    digest: str


async def exchange(request: Request, network: Network | None, target: Path | None, context: Context) -> Response:
    """Make `request`, through `network` if one is given; the body goes to `target`, or is returned.

    Raises:
        ExpectationError: nobody answered, or the answer broke off or was too long.
        BenchError: the file to send cannot be read; or `network` leads nowhere.
    """
    if network is None:
        return await _asked(request, aiohttp.TCPConnector(), target, context)
    failures: list[FlowrunnerError] = []
    async with forward_unix(network.connect, on_error=failures.append) as forward:
        try:
            return await _asked(request, aiohttp.UnixConnector(str(forward.path)), target, context)
        except ExpectationError as error:
            if failures:
                raise failures[-1] from error
            raise


async def _asked(
    request: Request, connector: aiohttp.BaseConnector, target: Path | None, context: Context
) -> Response:  # fmt: skip
    timeout = aiohttp.ClientTimeout(total=None)
    with ExitStack() as stack:
        content = await _content(request, stack)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                async with session.request(
                    request.method, request.url, headers=request.headers, allow_redirects=request.follow,
                    ssl=request.verify, **content,
                ) as answer:  # fmt: skip
                    return await _taken(answer, request, target, context)
            except (aiohttp.ClientError, ConnectionError) as error:
                raise ExpectationError(f"{request.url} could not be asked: {error}") from error


async def _content(request: Request, stack: ExitStack) -> dict[str, Any]:
    if request.file:
        try:
            return {"data": stack.enter_context(await anyio.to_thread.run_sync(request.file.open, "rb"))}
        except OSError as error:
            raise BenchError(f"'{request.file}' could not be read: {error.strerror}", blame="config") from error
    return {"json": request.body} if isinstance(request.body, dict | list) else {"data": request.body}


async def _taken(answer: aiohttp.ClientResponse, request: Request, target: Path | None, context: Context) -> Response:
    digest, size, kept = hashlib.sha256(), 0, bytearray()
    with target.open("wb") if target else nullcontext() as file:
        async for piece in answer.content.iter_chunked(PIECE):
            size += len(piece)
            digest.update(piece)
            if file:
                await anyio.to_thread.run_sync(file.write, piece)
            elif size > request.limit:
                what = f"{request.url} answered with more than {Size(request.limit)}"
                raise ExpectationError(what, help="save it as an artifact, or raise limit")
            else:
                kept += piece
            context.progress(size, answer.content_length)
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Response(
        answer.status, str(answer.url), headers, _text(kept, answer.charset), size, f"sha256:{digest.hexdigest()}"
    )


def _text(data: bytearray, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except LookupError:  # a charset that nobody knows
        return data.decode("utf-8", "replace")
