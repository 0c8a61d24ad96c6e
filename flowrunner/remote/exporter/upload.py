"""What a client sends along with a call: an image, or pieces of bytes, read while the driver works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interfaces.storage import Extent, Image
from flowrunner.remote.faults import from_fault
from flowrunner.remote.link.flow import Inbox
from flowrunner.remote.link.link import Link
from flowrunner.remote.link.packet import Kind
from flowrunner.remote.link.plain import Signature


class RemoteImage(Image):
    """An image that the client reads. Gaps and zeros stay gaps and zeros."""

    def __init__(self, name: str, size: int | None, inbox: Inbox) -> None:
        self.name = name
        self.size = size
        self._inbox = inbox

    async def extents(self) -> AsyncIterator[Extent]:
        try:
            while True:
                offset, length, data = await self._inbox.get()
                yield Extent(offset, length, data)
        except anyio.EndOfStream:
            return


class Uploads:
    """The uploads of one client; `inboxes` are those of all its channels."""

    def __init__(self, link: Link, inboxes: dict[int, Inbox]) -> None:
        self._link = link
        self._inboxes = inboxes
        self._opened: dict[int, list[int]] = {}

    def feed(self, kind: Kind, channel: int, body: Any) -> None:
        """Something came for the inbox of a channel.

        Raises:
            ValueError: it makes no sense.
        """
        inbox = self._inboxes[channel]
        match kind, body:
            case Kind.DATA, bytes():
                inbox.put(body)
            case Kind.ITEM, [int(offset), int(length), bytes() | None as data] if (
                offset >= 0 and length >= 0 and (data is None or len(data) == length)
            ):
                inbox.put(body)
            case Kind.EOF, _:
                inbox.end()
            case Kind.FAULT, _:
                inbox.end(from_fault(body))
            case _:
                raise ValueError(f"{kind.name} with such a body")

    def replaced(self, channel: int, known: Signature, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`arguments`, with the uploads in the places of what names them."""
        found = dict(arguments)
        for name in known.uploads & found.keys():
            match found[name]:
                case {"uploads": dict(several)}:
                    found[name] = {str(key): self._replaced(channel, name, each) for key, each in several.items()}
                case one:
                    found[name] = self._replaced(channel, name, one)
        return found

    def _replaced(self, channel: int, name: str, given: Any) -> Image | AsyncIterator[bytes]:
        match given:
            case {"upload": int(number), **about} if number not in self._inboxes:
                self._opened.setdefault(channel, []).append(number)
                return self._open(number, about)
            case _:
                raise BenchError(f"the argument '{name}' is no upload", blame="config")

    def close(self, channel: int) -> None:
        """The call of `channel` is over: what still comes for its uploads is for nobody."""
        for number in self._opened.pop(channel, ()):
            self._inboxes.pop(number, None)

    def _open(self, number: int, about: Mapping[Any, Any]) -> Image | AsyncIterator[bytes]:
        inbox = self._inboxes[number] = Inbox(lambda amount: self._link.post(Kind.CREDIT, number, amount))
        match about:
            case {"name": str(name), "size": int() | None as size}:
                return RemoteImage(name, size, inbox)
            case _:
                return _chunks(inbox)


async def _chunks(inbox: Inbox) -> AsyncIterator[bytes]:
    try:
        while True:
            yield await inbox.get()
    except anyio.EndOfStream:
        return
