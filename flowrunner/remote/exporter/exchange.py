"""One request over HTTP/1.1 on a connection of its own, by h11 and anyio: streams both ways, no redirects."""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

import anyio
import h11
from anyio.abc import ByteStream

from flowrunner.errors import BenchError
from flowrunner.image.remote import public

T = TypeVar("T")

CONNECT = 30.0
"""Seconds that a connection may take."""

READ = 1 << 18
CONTINUE = 1.0
"""Seconds to wait for a server's word that it wants the content (RFC 9110, 10.1.1); many give none."""

OURS = ("host", "connection", "transfer-encoding", "expect", "accept-encoding", "te", "upgrade")
"""Header fields that are about this connection: what a request says of them is not taken."""


class Exchange:
    """A request that was sent, and what comes back. `name` is its method and URL as they may be shown."""

    def __init__(self, stream: ByteStream, name: str, deadline: float) -> None:
        self.name = name
        self._stream = stream
        self._deadline = deadline
        self._state = h11.Connection(h11.CLIENT)

    async def send(self, event: h11.Event) -> None:
        """Send a part of the request.

        Raises:
            BenchError: the connection broke, or the part makes no sense.
        """
        try:
            data = self._state.send(event)
        except h11.LocalProtocolError as error:
            raise self.failed(str(error), config=True) from error
        if data:
            await self._within(self._stream.send(data))

    async def response(self, *, within: float | None = None) -> h11.Response | None:
        """The answer; None when there is none `within` so many seconds, or when the server asks for the content.

        Raises:
            BenchError: the connection broke, or what came is no answer.
        """
        with anyio.move_on_after(within):
            while True:
                event = await self._event()
                if isinstance(event, h11.Response):
                    return event
                if within is not None and isinstance(event, h11.InformationalResponse) and event.status_code == 100:
                    return None
        return None

    async def body(self) -> AsyncGenerator[bytes, None]:
        """What is behind the answer.

        Raises:
            BenchError: the connection broke before its end.
        """
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    def failed(self, why: str, *, config: bool = False) -> BenchError:
        """The error that says why this did not work."""
        return BenchError(f"{self.name} failed: {why}", blame="config" if config else "infra")

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                self._state.receive_data(await self._within(self._received()))
        except h11.RemoteProtocolError as error:
            raise self.failed(str(error)) from error
        assert not isinstance(event, type) or event is h11.PAUSED
        return event

    async def _received(self) -> bytes:
        try:
            return await self._stream.receive(READ)
        except anyio.EndOfStream:
            return b""

    async def _within(self, doing: Awaitable[T]) -> T:
        try:
            with anyio.fail_after(max(0.0, self._deadline - anyio.current_time())):
                return await doing
        except TimeoutError as error:
            raise self.failed("it took too long altogether") from error
        except (anyio.BrokenResourceError, OSError) as error:
            raise self.failed(f"the connection broke: {_cause(error)}") from error


@asynccontextmanager
async def exchange(
    method: str, url: str, headers: Mapping[str, str], *, deadline: float, tls: ssl.SSLContext | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> AsyncIterator[Exchange]:  # fmt: skip
    """Connect and send the head of a request; `more` are header fields besides `headers`.

    `deadline` is on the event loop's clock. The URL is one of HTTP with a host; it goes out as it is
    written, its percent-encoding untouched.

    Raises:
        BenchError: nobody answers there, or the request makes no sense.
    """
    name = f"{method} '{public(url)}'"
    parts = urlsplit(url)
    stream = await _connected(parts, name, tls)
    try:
        done = Exchange(stream, name, deadline)
        path = quote(parts.path or "/", safe="%/:@!$&'()*+,;=~")
        target = path + ("?" + quote(parts.query, safe="%/:@!$&'()*+,;=~?") if parts.query else "")
        given = [(key, value) for key, value in headers.items() if key.lower() not in OURS]
        fields = [("Host", parts.netloc.rpartition("@")[2]), *given, *_login(parts, headers), *more]
        try:
            head = h11.Request(method=method, target=target, headers=[*fields, ("Connection", "close")])
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise BenchError(f"{name} cannot be sent: {error}", blame="config") from error
        await done.send(head)
        yield done
    finally:
        await anyio.aclose_forcefully(stream)


def _login(parts: SplitResult, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The user and password of a URL as a header field."""
    if not parts.username or any(key.lower() == "authorization" for key in headers):
        return []
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return [("Authorization", "Basic " + b64encode(pair.encode()).decode())]


async def _connected(parts: SplitResult, name: str, tls: ssl.SSLContext | None) -> ByteStream:
    try:
        assert parts.hostname
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        with anyio.fail_after(CONNECT):
            if parts.scheme == "http":
                return await anyio.connect_tcp(parts.hostname, port)
            context = tls or ssl.create_default_context()
            return await anyio.connect_tcp(
                parts.hostname, port, tls=True, ssl_context=context, tls_standard_compatible=False
            )  # the length of the content is known from its head
    except TimeoutError as error:
        raise BenchError(f"{name} failed: no connection within {CONNECT:g}s", blame="infra") from error
    except OSError as error:
        raise BenchError(f"{name} failed: no connection: {_cause(error)}", blame="infra") from error


def _cause(error: BaseException) -> str:
    """The reason in few words."""
    inner = error.__cause__ or error
    if isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    number = getattr(inner, "errno", None) or 0
    if number > 0 and not isinstance(inner, ssl.SSLError | socket.gaierror):
        return os.strerror(number)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
