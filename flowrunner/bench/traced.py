"""Between a client and its driver: each call is guarded, reported, and its errors are completed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, NoReturn

import anyio

from flowrunner.bench.blame import blamed
from flowrunner.bench.calling import CALLING, Calling, OnLog, calling
from flowrunner.interface import ByteStream, Transport, end_sending, has_borders

Guard = Callable[[], None]
"""Raises when no call may be made now, such as after the lease was lost."""

OnCall = Callable[[str, str, Mapping[str, Any]], None]
"""Told of each call before it is made: the driver's path, the method, its arguments."""

_END = object()


class Traced:
    """A transport around another one. `driver` is the path on the bench, `type` the driver's type."""

    def __init__(
        self, inner: Transport, *, driver: str, type: str, guards: tuple[Guard, ...], on_call: OnCall | None,
        on_log: OnLog | None = None,
    ) -> None:  # fmt: skip
        self.inner = inner
        self.driver = driver
        self.type = type
        self.guards = guards
        self.on_call = on_call
        self.on_log = on_log
        self._callings: dict[str, Calling] = {}

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        # As with `named`, whose two generators cost more than all else here.
        token = CALLING.set(self.now(method))
        try:
            self._begin(method, arguments)
            return await self.inner.call(method, arguments)
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            self.blame(error, method)
        finally:
            CALLING.reset(token)

    async def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        with self.named(method):
            self._begin(method, arguments)
            answers = self.inner.iterate(method, arguments)
        try:
            while (answer := await self._next(answers, method)) is not _END:
                yield answer
        finally:
            if isinstance(answers, AsyncGenerator):
                with self.named(method):
                    await answers.aclose()

    async def _next(self, answers: AsyncIterator[Any], method: str) -> Any:
        """The next answer. The driver works here and nowhere else: its user does between two answers."""
        with self.named(method):
            self.allowed()
            return await anext(answers, _END)

    def stream(self, method: str, arguments: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
        return _Opened(self, method, arguments)

    def allowed(self) -> None:
        """Raise when no call may be made now."""
        for guard in self.guards:
            guard()

    def open(self, method: str, arguments: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
        """The stream of the driver itself."""
        self._begin(method, arguments)
        return self.inner.stream(method, arguments)

    @contextmanager
    def named(self, method: str) -> Iterator[None]:
        """The driver works inside: what it logs is its own, and each error that passes is completed."""
        try:
            with calling(self.now(method)):
                yield
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            self.blame(error, method)

    def now(self, method: str) -> Calling:
        """What the driver is busy with during a call."""
        found = self._callings.get(method)
        if found is None:
            found = self._callings[method] = Calling(self.driver, self.type, method, self.on_log)
        return found

    def blame(self, error: Exception, method: str) -> NoReturn:
        """Raise `error` as one of ours."""
        found = blamed(error, driver=self.driver, type=self.type, call=method)
        if found is error:
            raise error
        raise found from error

    def _begin(self, method: str, arguments: Mapping[str, Any]) -> None:
        self.allowed()
        if self.on_call:
            self.on_call(self.driver, method, arguments)


class _Opened(AbstractAsyncContextManager[ByteStream]):
    """A driver's stream: what goes wrong in it is the driver's, what goes wrong in its user's block is not."""

    def __init__(self, transport: Traced, method: str, arguments: Mapping[str, Any]) -> None:
        self._transport = transport
        self._method = method
        self._arguments = arguments

    async def __aenter__(self) -> ByteStream:
        with self._transport.named(self._method):
            self._inner = self._transport.open(self._method, self._arguments)
            return _Connection(self._transport, self._method, await self._inner.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        transport = self._transport
        try:
            with calling(transport.now(self._method)):
                return await self._inner.__aexit__(kind, error, traceback)
        except Exception as raised:  # noqa: BLE001 - a driver is anyone's code
            if raised is error or (isinstance(raised, ExceptionGroup) and error in raised.exceptions):
                return False
            transport.blame(raised, self._method)


class _Connection:
    """A byte stream whose errors are completed; its end stays an `EndOfStream`."""

    def __init__(self, transport: Traced, method: str, inner: ByteStream) -> None:
        self._transport = transport
        self._method = method
        self._inner = inner
        self._calling = transport.now(method)
        self.datagrams = has_borders(inner)

    async def receive(self) -> bytes:
        try:
            with calling(self._calling):
                return await self._inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            raise
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            self._transport.blame(error, self._method)

    async def send(self, data: bytes, /) -> None:
        try:
            self._transport.allowed()
            with calling(self._calling):
                await self._inner.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            self._transport.blame(error, self._method)

    async def send_eof(self) -> None:
        with self._transport.named(self._method):
            await end_sending(self._inner)
