"""A server of HTTP/1.1 on loopback that does exactly what a test says, byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio.abc import SocketStream

from tests.support.streams import listening


@dataclass
class Asked:
    """A request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


Reply = Callable[[Asked], bytes | None]
"""The bytes of an answer, before the content is read; None takes the content first, and is then asked again."""


@dataclass
class Web:
    """The server's port, and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)

    def url(self, target: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{target}"


def answer(body: bytes = b"", status: str = "200 OK", *, length: int | None = None, **headers: str) -> bytes:
    """An answer with its length, unless the `length` is a lie."""
    fields = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{fields}\r\n".encode() + body


@asynccontextmanager
async def web(reply: Reply) -> AsyncIterator[Web]:
    """Serve one request on each connection."""

    async def serve(client: SocketStream) -> None:
        wire = _Reader(client)
        lines = (await wire.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
        asked = Asked(method, target, headers)
        served.asked.append(asked)
        said = reply(asked)
        if said is None:
            if headers.get("expect") == "100-continue":
                await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            asked.body = await wire.body(headers)
            said = reply(asked) or answer()
        await client.send(said)

    async with listening(serve) as port:
        served = Web(port)
        yield served


class _Reader:
    def __init__(self, client: SocketStream) -> None:
        self._client = client
        self._data = b""

    async def until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            self._data += await self._client.receive()
        found, _, self._data = self._data.partition(mark)
        return found

    async def exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._data += await self._client.receive()
        found, self._data = self._data[:size], self._data[size:]
        return found

    async def body(self, headers: Mapping[str, str]) -> bytes:
        if "content-length" in headers:
            return await self.exactly(int(headers["content-length"]))
        body = b""
        while size := int(await self.until(b"\r\n"), 16):
            body += await self.exactly(size)
            await self.exactly(2)
        return body
