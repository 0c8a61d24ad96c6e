"""Between the run and one part of a device: each call is noted with its answer, and goes on unchanged."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio

from flowrunner.interface import ByteStream, Direct, Interface, end_sending, has_borders
from flowrunner.remote.faults import to_fault
from flowrunner.replay.store import Store
from flowrunner.replay.values import Content

OUTSIDE: ContextVar[bool] = ContextVar("outside", default=False)
"""Whether this task is one of a step that a replay takes over as a whole, or was started by it: it notes no calls."""

Ask = Callable[[int, str, str, Mapping[str, Any]], int]
"""Notes a call of a lease's part before it is made: the method, the arguments; returns its number."""


class Recorded:
    """A transport to `inner`, the client of the part at `path`; the bytes of a console (`quiet`) are kept elsewhere."""

    def __init__(self, ask: Ask, store: Store, inner: Interface, lease: int, path: str, *, quiet: bool) -> None:
        self._note = ask
        self._store = store
        self._inner = Direct(inner)
        self._lease = lease
        self._path = path
        self._quiet = quiet

    def _ask(self, method: str, arguments: Mapping[str, Any]) -> int:
        return self._note(self._lease, self._path, method, arguments)

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        if OUTSIDE.get():
            return await self._inner.call(method, arguments)
        content = {n: Content(v) for n, v in arguments.items() if isinstance(v, AsyncIterable)}
        given = {**arguments, **content} if content else arguments
        number = self._ask(method, arguments)
        try:
            value = await self._inner.call(method, given)
        except BaseException as error:
            self._failed(number, error)
            raise
        more = {"content": {name: each.facts for name, each in content.items()}} if content else {}
        self._store.write("answer", of=number, **self._store.value(value), **more)
        return value

    def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        how = self._inner.iterate if OUTSIDE.get() else self._iterate
        return how(method, arguments)

    async def _iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        number = self._ask(method, arguments)
        answers: AsyncIterator[Any] = self._inner.iterate(method, arguments)
        try:
            async for value in answers:
                self._store.write("answer", of=number, **self._store.value(value))
                yield value
            self._store.write("end", of=number)
        except GeneratorExit:
            self._store.write("enough", of=number)
            raise
        except BaseException as error:
            self._failed(number, error)
            raise
        finally:
            if isinstance(answers, AsyncGenerator):
                await answers.aclose()

    def stream(self, method: str, arguments: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
        how = self._inner.stream if OUTSIDE.get() else self._stream
        return how(method, arguments)

    @asynccontextmanager
    async def _stream(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[ByteStream]:
        number = self._ask(method, arguments)
        opened = False
        try:
            async with self._inner.stream(method, arguments) as inner:
                opened = True
                self._store.write("answer", of=number)
                yield _Stream(self._store, inner, number, quiet=self._quiet)
        except BaseException as error:
            if not opened:
                self._failed(number, error)
            raise
        finally:
            if opened:
                self._store.write("end", of=number)

    def _failed(self, number: int, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._store.write("error", of=number, driver=getattr(error, "driver", None), **to_fault(error))
        else:
            self._store.write("left", of=number)


class _Stream:
    """A byte stream whose bytes are noted, unless it is `quiet`."""

    def __init__(self, store: Store, inner: ByteStream, number: int, *, quiet: bool) -> None:
        self._store = store
        self._inner = inner
        self._number = number
        self._quiet = quiet
        self.datagrams = has_borders(inner)

    async def receive(self) -> bytes:
        try:
            data = await self._inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self._store.write("over", of=self._number, why=type(error).__name__)
            raise
        except Exception as error:
            self._store.write("error", of=self._number, driver=getattr(error, "driver", None), **to_fault(error))
            raise
        if not self._quiet:
            self._store.write("received", of=self._number, **self._store.value(bytes(data)))
        return data

    async def send(self, data: bytes, /) -> None:
        if not self._quiet:
            self._store.write("sent", of=self._number, **self._store.value(bytes(data)))
        await self._inner.send(data)

    async def send_eof(self) -> None:
        await end_sending(self._inner)
