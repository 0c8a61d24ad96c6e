"""What an interface is: typed calls that run beside the device, and methods that run beside the job."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any, ClassVar, Literal, ParamSpec, Protocol, Self, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

CallKind = Literal["unary", "iterator", "stream"]


class ByteStream(Protocol):
    """A connection that carries bytes both ways; how they are cut into pieces means nothing.

    Two things a stream may have, found by `end_sending` and `has_borders`: an async `send_eof()` that half closes it,
    and `datagrams = True` when each piece is a message of its own, not to be cut or joined.
    """

    async def receive(self) -> bytes:
        """Wait for some bytes.

        Raises:
            anyio.EndOfStream: the far end closed it.
        """
        ...

    async def send(self, data: bytes, /) -> None:
        """Send all of `data`.

        Raises:
            anyio.BrokenResourceError: the far end is gone.
        """
        ...


async def end_sending(stream: ByteStream) -> None:
    """Half close `stream` where it can be: its far end sees that no more comes, and may go on sending."""
    send_eof: Callable[[], Awaitable[None]] | None = getattr(stream, "send_eof", None)
    if send_eof:
        await send_eof()


def has_borders(stream: ByteStream) -> bool:
    """Whether each piece of `stream` is a message of its own."""
    return bool(getattr(stream, "datagrams", False))


class Transport(Protocol):
    """How a client reaches its driver: directly in this process, or over gRPC."""

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        """Call a method that answers once."""
        ...

    def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        """Call a method that answers many times."""
        ...

    def stream(self, method: str, arguments: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
        """Open a byte stream."""
        ...


def call(method: Callable[P, R]) -> Callable[P, R]:
    """Mark a method as running where the hardware is; it returns an awaitable or an async iterator."""
    unary = inspect.iscoroutinefunction(method)
    method.__flowrunner_call__ = "unary" if unary else "iterator"  # type: ignore[attr-defined]
    return method


def stream(
    method: Callable[P, AbstractAsyncContextManager[ByteStream]],
) -> Callable[P, AbstractAsyncContextManager[ByteStream]]:
    """Mark a method as opening a byte stream to where the hardware is."""
    method.__flowrunner_call__ = "stream"  # type: ignore[attr-defined]
    return method


class Interface(ABC):
    """A capability: `@call` and `@stream` methods run beside the device, the rest beside the job.

    `name` is the word of the language (`power`), `jumpstarter` the client class that it is wire-compatible with.
    """

    name: ClassVar[str]
    jumpstarter: ClassVar[str | None] = None

    @classmethod
    def calls(cls) -> dict[str, CallKind]:
        """Each marked method of this interface, with how it answers."""
        return {
            name: cast("CallKind", method.__flowrunner_call__)
            for base in reversed(cls.__mro__)
            for name, method in vars(base).items()
            if hasattr(method, "__flowrunner_call__")
        }

    @classmethod
    def client(cls, transport: Transport) -> Self:
        """This interface, with each marked method going over `transport`."""
        return cast("Self", client((cls,), transport))


def client(interfaces: Sequence[type[Interface]], transport: Transport) -> Interface:
    """One object that is each of `interfaces`, with each marked method going over `transport`."""
    bases = tuple(i for i in interfaces if not any(other is not i and issubclass(other, i) for other in interfaces))
    members = {
        name: _remote(getattr(base, name), name, kind, transport)
        for base in reversed(bases)
        for name, kind in base.calls().items()
    }
    return cast("Interface", type(f"{''.join(base.__name__ for base in bases)}Client", bases, members)())


def offered(kind: type) -> tuple[type[Interface], ...]:
    """The interfaces that a driver's class implements, most special first."""
    return tuple(
        base
        for base in kind.__mro__
        if issubclass(base, Interface) and inspect.isabstract(base) and "name" in vars(base)
    )


def _remote(method: Callable[..., Any], name: str, kind: CallKind, transport: Transport) -> Callable[..., Any]:
    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    names = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    required = (
        sum(each.default is each.empty for each in parameters) if len(names) == len(parameters) else len(names) + 1
    )

    def bind(self: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not kwargs and required <= len(args) <= len(names):
            return dict(zip(names, args, strict=False))  # what `Signature.bind` finds too, in twenty times the time
        arguments = dict(signature.bind(self, *args, **kwargs).arguments)
        del arguments["self"]
        return arguments

    send: dict[CallKind, Callable[[str, Mapping[str, Any]], Any]] = {
        "unary": transport.call,
        "iterator": transport.iterate,
        "stream": transport.stream,
    }

    @wraps(method)
    def forward(self: object, *args: Any, **kwargs: Any) -> Awaitable[Any] | AsyncIterator[Any]:
        return cast("Awaitable[Any]", send[kind](name, bind(self, args, kwargs)))

    forward.__dict__.pop("__isabstractmethod__", None)
    return forward


class Direct:
    """The transport to a driver in this process: each call is a plain call."""

    def __init__(self, driver: Interface) -> None:
        self.driver = driver

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Any:
        return await getattr(self.driver, method)(**arguments)

    def iterate(self, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        return cast("AsyncIterator[Any]", getattr(self.driver, method)(**arguments))

    def stream(self, method: str, arguments: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
        return cast("AbstractAsyncContextManager[ByteStream]", getattr(self.driver, method)(**arguments))
