"""What goes along with a call: images and pieces of bytes, read here while the driver works there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from flowrunner.bench.blame import blamed
from flowrunner.errors import FlowrunnerError
from flowrunner.interfaces.storage import Image
from flowrunner.remote.client.session import Session
from flowrunner.remote.faults import to_fault
from flowrunner.remote.link.flow import Credit, pieces, weight
from flowrunner.remote.link.packet import Kind
from flowrunner.remote.link.plain import Signature

LARGEST = 1024 * 1024
"""Bytes of one piece of an upload."""


class Sending:
    """One upload: its channel, and the task that reads and sends it."""

    def __init__(self, session: Session, source: Image | AsyncIterable[bytes]) -> None:
        self.number = session.open(self)
        self._session = session
        self._source = source
        self._credit = Credit()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send; the call that wants it is on its way."""
        self._task = asyncio.create_task(self._send())

    async def stop(self) -> None:
        """End it, finished or not."""
        self._session.close(self.number)
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def deliver(self, kind: Kind, body: Any) -> None:
        if kind is Kind.CREDIT:
            self._credit.add(int(body))

    def lose(self, error: FlowrunnerError) -> None:
        if self._task:
            self._task.cancel()

    async def _send(self) -> None:
        link = self._session.link
        try:
            if isinstance(self._source, Image):
                await self._send_image(self._source)
            else:
                async for chunk in self._source:
                    for piece in pieces(chunk, LARGEST):
                        await self._piece(Kind.DATA, piece)
        except Exception as error:  # noqa: BLE001 - the source is anyone's; the far end is told and gives it back
            link.post(Kind.FAULT, self.number, to_fault(blamed(error, driver="", type="the source", call="read")))
        else:
            link.post(Kind.EOF, self.number)

    async def _send_image(self, image: Image) -> None:
        """Send the extents; small ones that touch each other go together, as a decompressor's do."""
        run = _Run()
        async for extent in image.extents():
            if extent.data is None:
                await self._flush(run)
                await self._piece(Kind.ITEM, [extent.offset, extent.length, None])
                continue
            view = memoryview(extent.data)
            for start in range(0, extent.length, LARGEST):
                part = view[start : start + LARGEST]
                if not run.continued_by(extent.offset + start, len(part)):
                    await self._flush(run)
                run.add(extent.offset + start, part)
        await self._flush(run)

    async def _flush(self, run: _Run) -> None:
        if run.parts:
            await self._piece(Kind.ITEM, run.take())

    async def _piece(self, kind: Kind, body: Any) -> None:
        await self._credit.spend(weight(body))
        await self._session.link.send(kind, self.number, body)


class _Run:
    """Neighbouring parts of an image that travel together."""

    def __init__(self) -> None:
        self.parts: list[memoryview] = []
        self._start = self._end = 0

    def continued_by(self, offset: int, length: int) -> bool:
        """Whether a part at `offset` follows and still fits."""
        return bool(self.parts) and offset == self._end and self._end - self._start + length <= LARGEST

    def add(self, offset: int, part: memoryview) -> None:
        """Append a part; the first one says where the run starts."""
        if not self.parts:
            self._start = offset
        self._end = offset + len(part)
        self.parts.append(part)

    def take(self) -> list[Any]:
        """The run as it is sent; an empty one begins."""
        found = [self._start, self._end - self._start, b"".join(self.parts)]
        self.parts.clear()
        return found


Upload = Sequence[Sending]


@asynccontextmanager
async def uploading(
    session: Session, known: Signature, arguments: Mapping[str, Any]
) -> AsyncIterator[tuple[dict[str, Any], Upload]]:
    """`arguments` with the uploads replaced by what names them, and the uploads; leaving ends them."""
    replaced, uploads = dict(arguments), list[Sending]()

    def sent(source: Image | AsyncIterable[bytes]) -> dict[str, Any]:
        uploads.append(Sending(session, source))
        about = {"name": source.name, "size": source.size} if isinstance(source, Image) else {}
        return {"upload": uploads[-1].number, **about}

    for name in known.uploads & arguments.keys():
        match arguments[name]:
            case Mapping() as several:
                replaced[name] = {"uploads": {key: sent(source) for key, source in several.items()}}
            case source:
                replaced[name] = sent(source)
    try:
        yield replaced, uploads
    finally:
        for upload in uploads:
            await upload.stop()
