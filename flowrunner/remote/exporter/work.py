"""What a client of our own protocol lets drivers do: calls, iterators, byte streams, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError, FlowrunnerError, unwrap
from flowrunner.interface import ByteStream, Interface
from flowrunner.remote.exporter.upload import Uploads
from flowrunner.remote.faults import to_fault
from flowrunner.remote.link.flow import WINDOW, Credit, Inbox, pieces, weight
from flowrunner.remote.link.link import Link
from flowrunner.remote.link.packet import Kind
from flowrunner.remote.link.plain import Signature, signature

End = tuple[Kind, Any]
Doing = Coroutine[Any, Any, End]

MOST = 1000
"""Calls, iterators and streams that one client may have at once."""


class Work:
    """All that runs for one client. `device` is what its calls go to, from the moment it has the exporter."""

    def __init__(self, link: Link, tasks: asyncio.TaskGroup) -> None:
        self.device: Device | None = None
        self._link = link
        self._tasks = tasks
        self._running: dict[int, asyncio.Task[None]] = {}
        self._credits: dict[int, Credit] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._uploads = Uploads(link, self._inboxes)

    def deliver(self, kind: Kind, channel: int, body: Any) -> None:
        """A message of a channel.

        Raises:
            ValueError: it makes no sense.
        """
        match kind:
            case Kind.CALL | Kind.ITERATE | Kind.STREAM:
                self._start(kind, channel, body)
            case Kind.CANCEL:
                if channel in self._running:
                    self._running[channel].cancel()
            case Kind.CREDIT:
                if channel in self._credits and type(body) is int and body > 0:
                    self._credits[channel].add(body)
            case Kind.DATA | Kind.ITEM | Kind.EOF | Kind.FAULT:
                if channel in self._inboxes:
                    self._uploads.feed(kind, channel, body)
            case _:
                raise ValueError(f"{kind.name} is not for an exporter")

    async def ended(self) -> None:
        """Cancel all of it and wait until it is over."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _start(self, kind: Kind, channel: int, body: Any) -> None:
        if channel in self._running or not channel:
            raise ValueError(f"channel {channel} is in use")
        try:
            if len(self._running) >= MOST:
                raise BenchError(f"more than {MOST} calls at once", blame="config", help="wait for some of them")
            doing = self._begin(kind, channel, body)
        except FlowrunnerError as error:
            self._link.post(Kind.FAULT, channel, to_fault(error))
        else:
            self._running[channel] = self._tasks.create_task(self._run(doing, channel))

    def _begin(self, kind: Kind, channel: int, body: Any) -> Doing:
        """Find what is meant, and make room for what comes with it."""
        if kind is Kind.CALL:
            method, arguments, _ = self._find(channel, body, "unary")
            return self._call(method, arguments)
        self._credits[channel] = Credit()
        if kind is Kind.ITERATE:
            method, arguments, known = self._find(channel, body, "iterator")
            self._credits[channel].amount = WINDOW if known.chunks else 0
            return self._iterate(channel, method(**arguments), chunks=known.chunks)
        method, arguments, _ = self._find(channel, body, "stream")
        self._inboxes[channel] = Inbox(lambda amount: self._link.post(Kind.CREDIT, channel, amount))
        return self._stream(channel, method(**arguments))

    async def _run(self, doing: Doing, channel: int) -> None:
        """Do it, and tell how it ended."""
        end: End = (Kind.END, None)
        try:
            end = await doing
        except asyncio.CancelledError:
            pass  # as was asked: it is told like any other end
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            end = (Kind.FAULT, to_fault(unwrap(error)))
        finally:
            self._running.pop(channel, None)
            self._credits.pop(channel, None)
            self._inboxes.pop(channel, None)
            self._uploads.close(channel)
            self._post_end(channel, *end)

    def _post_end(self, channel: int, kind: Kind, body: Any) -> None:
        try:
            self._link.post(kind, channel, body)
        except ValueError as error:
            self._link.post(Kind.FAULT, channel, to_fault(BenchError(str(error), blame="internal")))

    async def _call(self, method: Callable[..., Awaitable[Any]], arguments: dict[str, Any]) -> End:
        return Kind.RESULT, await method(**arguments)

    async def _iterate(self, channel: int, answers: AsyncIterator[Any], *, chunks: bool) -> End:
        """Send what the driver answers; without chunks, such as measurements, none is made before it is wanted."""
        credit = self._credits[channel]
        try:
            while True:
                await credit.spend(0)
                answer = await anext(answers)
                for piece in pieces(answer) if chunks else (answer,):
                    await self._link.send(Kind.ITEM, channel, piece)
                    credit.amount -= weight(piece) if chunks else 1
        except StopAsyncIteration:
            return Kind.END, None
        finally:
            if isinstance(answers, AsyncGenerator):
                await answers.aclose()

    async def _stream(self, channel: int, opening: AbstractAsyncContextManager[ByteStream]) -> End:
        async with opening as stream:
            datagrams = bool(getattr(stream, "datagrams", False))
            self._link.post(Kind.OPENED, channel, {"datagrams": datagrams})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._from_device, stream, channel, datagrams)
                tasks.start_soon(self._to_device, stream, channel)
        return Kind.END, None

    async def _from_device(self, stream: ByteStream, channel: int, datagrams: bool) -> None:
        credit = self._credits[channel]
        try:
            while True:
                data = await stream.receive()
                for piece in (data,) if datagrams else pieces(data):
                    await credit.spend(weight(piece))
                    await self._link.send(Kind.DATA, channel, piece)
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._link.post(Kind.EOF, channel)

    async def _to_device(self, stream: ByteStream, channel: int) -> None:
        inbox = self._inboxes[channel]
        try:
            while True:
                await stream.send(await inbox.get())
        except anyio.EndOfStream:
            send_eof = getattr(stream, "send_eof", None)
            if send_eof:
                await send_eof()

    def _find(self, channel: int, body: Any, kind: str) -> tuple[Callable[..., Any], dict[str, Any], Signature]:
        """The method that is meant, its arguments, and what is known of it.

        Raises:
            FlowrunnerError: there is no such method, or an argument does not fit.
        """
        match body:
            case [str(path), str(name), dict(given)]:
                pass
            case _:
                raise ValueError("a call is a path, a method and its arguments")
        if self.device is None:
            raise BenchError("the exporter is not yours: take it first", blame="lost")
        node = self.device.at(path)
        interface = _interface(node, name, kind)
        known = signature(interface, name)
        try:
            arguments = self._uploads.replaced(channel, known, given)
            return getattr(node.client, name), known.read(arguments), known
        except ValueError as error:
            what = f"'{path}' cannot do '{name}' with these arguments: {_reason(error)}"
            raise BenchError(what, blame="config", driver=path, call=name) from error


def _interface(node: Device, name: str, kind: str) -> type[Interface]:
    for interface in node.interfaces:
        if interface.calls().get(name) == kind:
            return interface
    raise BenchError(f"'{node.name}' has no call '{name}' of that kind", blame="config", call=name)


def _reason(error: ValueError) -> str:
    """What is wrong, in one line, without the values."""
    details: Callable[[], list[Mapping[str, Any]]] | None = getattr(error, "errors", None)
    return "; ".join(str(detail["msg"]) for detail in details()) if details else str(error)
