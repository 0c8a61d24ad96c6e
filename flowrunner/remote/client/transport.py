"""Calls, iterators and byte streams over a session: what an interface's client goes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream, Interface
from flowrunner.remote.client.session import Session
from flowrunner.remote.client.uploads import Upload, uploading
from flowrunner.remote.faults import from_fault
from flowrunner.remote.link.flow import Credit, Inbox, pieces, weight
from flowrunner.remote.link.packet import Kind
from flowrunner.remote.link.plain import Signature, signature

CLOSING_LIMIT = 15.0
"""Seconds that the far end has to end what nobody waits for any more."""


class LinkTransport:
    """The way to one part of a remote bench; `interfaces` are those that it offers."""

    def __init__(self, session: Session, path: str, interfaces: tuple[type[Interface], ...]) -> None:
        self._session = session
        self._path = path
        self._known = {name: interface for interface in reversed(interfaces) for name in interface.calls()}

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        known = self._signature(method)
        pending = Pending(self._session)
        if not known.uploads & arguments.keys():
            return known.answer(await self._answer(pending, method, dict(arguments)))
        async with uploading(self._session, known, arguments) as (replaced, uploads):
            return known.answer(await self._answer(pending, method, replaced, uploads))

    async def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        known = self._signature(method)
        pending = Pending(self._session, credited=known.chunks)
        self._post(Kind.ITERATE, pending, method, dict(arguments))
        async with pending.closed_behind():
            while True:
                if not known.chunks:
                    self._session.link.post(Kind.CREDIT, pending.number, 1)
                try:
                    answer = await pending.inbox.get()
                except anyio.EndOfStream:
                    return
                yield known.answer(answer)

    @asynccontextmanager
    async def stream(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[ByteStream]:
        pending = Pending(self._session, credited=True)
        self._post(Kind.STREAM, pending, method, dict(arguments))
        async with pending.closed_behind():
            opened = await pending.opened
            yield RemoteStream(self._session, pending, datagrams=bool(opened.get("datagrams")))

    def _signature(self, method: str) -> Signature:
        return signature(self._known[method], method)

    async def _answer(self, pending: Pending, method: str, arguments: dict[str, Any], uploads: Upload = ()) -> Any:
        self._post(Kind.CALL, pending, method, arguments)
        async with pending.closed_behind():
            for upload in uploads:
                upload.start()
            return await pending.result

    def _post(self, kind: Kind, pending: Pending, method: str, arguments: dict[str, Any]) -> None:
        try:
            self._session.link.post(kind, pending.number, [self._path, method, arguments])
        except ValueError as error:
            self._session.close(pending.number)
            what = f"the arguments of '{method}' cannot cross the wire: {error}"
            raise BenchError(what, blame="config", call=method) from error


class Pending:
    """Something that runs at the far end: what it answered so far, and whether it is over."""

    def __init__(self, session: Session, *, credited: bool = False) -> None:
        self.number = session.open(self)
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.result: asyncio.Future[Any] = loop.create_future()
        self.credit = Credit()
        self.inbox = Inbox(self._give_back if credited else None)
        self._session = session
        self._over = asyncio.Event()

    def deliver(self, kind: Kind, body: Any) -> None:
        match kind:
            case Kind.RESULT:
                self._end(None, body)
            case Kind.ITEM | Kind.DATA:
                self.inbox.put(body)
            case Kind.OPENED:
                if not self.opened.done():
                    self.opened.set_result(dict(body))
            case Kind.CREDIT:
                self.credit.add(int(body))
            case Kind.EOF:
                self.inbox.end()
            case Kind.END:
                self._end(None)
            case Kind.FAULT:
                self._end(from_fault(body))
            case _:
                pass

    def lose(self, error: FlowrunnerError) -> None:
        self._end(error)

    @asynccontextmanager
    async def closed_behind(self) -> AsyncIterator[None]:
        """Leaving ends it at the far end, and waits until everything of it is closed there."""
        try:
            yield
        finally:
            if not self._over.is_set():
                self._session.link.post(Kind.CANCEL, self.number)
                with anyio.move_on_after(CLOSING_LIMIT, shield=True):
                    await self._over.wait()
            self._session.close(self.number)

    def _end(self, error: FlowrunnerError | None, result: Any = None) -> None:
        self._over.set()
        self.credit.end()
        self.inbox.end(error)
        for future in (self.opened, self.result):
            if not future.done() and error:
                future.set_exception(error)
                future.exception()  # somebody else may have been told already
            elif not future.done():
                future.set_result(result)

    def _give_back(self, amount: int) -> None:
        if not self._over.is_set():
            self._session.link.post(Kind.CREDIT, self.number, amount)


class RemoteStream:
    """A byte stream of a driver at the far end."""

    def __init__(self, session: Session, pending: Pending, *, datagrams: bool) -> None:
        self.datagrams = datagrams
        self._session = session
        self._pending = pending

    async def receive(self) -> bytes:
        data = await self._pending.inbox.get()
        assert isinstance(data, bytes)
        return data

    async def send(self, data: bytes, /) -> None:
        for piece in (data,) if self.datagrams else pieces(data):
            await self._pending.credit.spend(weight(piece))
            await self._session.link.send(Kind.DATA, self._pending.number, piece)

    async def send_eof(self) -> None:
        self._session.link.post(Kind.EOF, self._pending.number)
