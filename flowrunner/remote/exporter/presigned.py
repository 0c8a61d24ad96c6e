"""Presigned requests: a client names a URL, and the exporter fetches the content from there or uploads it to there."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import h11

from flowrunner.errors import BenchError
from flowrunner.remote.codecs import decoded
from flowrunner.remote.exporter.exchange import CONTINUE, Exchange, exchange
from flowrunner.remote.exporter.presigned_request import Request

TIMEOUT = 7200.0
"""Seconds for all of a request, its redirects and its content."""

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
SAID = 400
"""Bytes of an error's content that are shown."""

CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}


async def fetched(
    request: Request, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[bytes, None]:
    """The content behind a presigned GET. `tls` replaces the system's idea of whom to trust.

    Raises:
        BenchError: the server cannot be reached, refuses, or breaks off.
    """
    deadline = anyio.current_time() + timeout
    async with AsyncExitStack() as stack:
        done, answer = await _answered(stack, request, deadline, tls)
        body = done.body()
        coding = _field(answer, b"content-encoding").lower()
        if coding in ("", "identity"):
            async for chunk in body:
                yield chunk
        elif coding in CODINGS:
            async for chunk in decoded(body, CODINGS[coding], what=f"the content of {done.name}"):
                yield chunk
        else:
            raise done.failed(f"the content is packed with '{coding}'")


async def _answered(
    stack: AsyncExitStack, request: Request, deadline: float, tls: ssl.SSLContext | None
) -> tuple[Exchange, h11.Response]:
    """The answer of whom the request ends at."""
    for _ in range(MOST_REDIRECTS + 1):
        plain = [("Accept-Encoding", "identity")]
        opening = exchange("GET", request.url, request.headers, deadline=deadline, tls=tls, more=plain)
        done = await stack.enter_async_context(opening)
        await done.send(h11.EndOfMessage())
        answer = await done.response()
        assert answer is not None
        if answer.status_code not in REDIRECTS:
            await _raise_for(done, answer, request)
            return done, answer
        request = request.redirected(_location(done, answer))
        await stack.aclose()
    raise BenchError(f"{request} was redirected more than {MOST_REDIRECTS} times", blame="infra")


@asynccontextmanager
async def uploading(
    request: Request, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """A presigned PUT: what is put is sent at once; leaving ends the content and waits for the server's word.

    Without a Content-Length among its headers the content goes in chunks of HTTP/1.1.

    Raises:
        BenchError: the server cannot be reached, refuses, or redirects when it has got content already.
    """
    deadline = anyio.current_time() + timeout
    async with AsyncExitStack() as stack:
        done, request = await _asked(stack, request, deadline, tls)

        async def put(data: bytes) -> None:
            try:
                await done.send(h11.Data(data=data))
            except BenchError as error:
                await _explain(done, request, error)

        yield put
        await done.send(h11.EndOfMessage())
        answer = await done.response()
        assert answer is not None
        await _raise_for(done, answer, request)


async def _asked(
    stack: AsyncExitStack, request: Request, deadline: float, tls: ssl.SSLContext | None
) -> tuple[Exchange, Request]:
    """An exchange with the server that takes the content, which was not sent yet: it can still point elsewhere."""
    sized = any(key.lower() == "content-length" for key in request.headers)
    framing = [("Expect", "100-continue"), *([] if sized else [("Transfer-Encoding", "chunked")])]
    for _ in range(MOST_REDIRECTS + 1):
        opening = exchange("PUT", request.url, request.headers, deadline=deadline, tls=tls, more=framing)
        done = await stack.enter_async_context(opening)
        answer = await done.response(within=CONTINUE)
        if answer is None:
            return done, request
        if answer.status_code == 417:  # it cannot be asked first
            framing = [field for field in framing if field[0] != "Expect"]
        elif answer.status_code in REDIRECTS:
            request = request.redirected(_location(done, answer))
        else:
            await _raise_for(done, answer, request)
            raise done.failed(f"it was answered with {_status(answer)} before its content was sent")
        await stack.aclose()
    raise BenchError(f"{request} was redirected more than {MOST_REDIRECTS} times", blame="infra")


async def _explain(done: Exchange, request: Request, error: BenchError) -> None:
    """Raise what the server said before it closed the connection, or else `error`."""
    try:
        answer = await done.response(within=CONTINUE)
    except BenchError:
        answer = None
    if answer is not None:
        await _raise_for(done, answer, request)
    raise error


async def _raise_for(done: Exchange, answer: h11.Response, request: Request) -> None:
    """Raise unless the request was fulfilled."""
    if 200 <= answer.status_code < 300:
        return
    said = b""
    async for chunk in done.body():
        said += chunk
        if len(said) >= SAID:
            break
    text = said[:SAID].decode(errors="replace")
    for secret in request.secrets():
        text = text.replace(secret, "...")
    raise BenchError(
        f"{done.name} was answered with {_status(answer)}", said=text.strip() or None,
        blame="infra" if answer.status_code >= 500 else "config",
    )  # fmt: skip


def _status(answer: h11.Response) -> str:
    return f"{answer.status_code} {answer.reason.decode(errors='replace')}".strip()


def _location(done: Exchange, answer: h11.Response) -> str:
    found = _field(answer, b"location")
    if not found:
        raise done.failed("it was redirected to nowhere")
    return found


def _field(answer: h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in answer.headers if key == name), "")
