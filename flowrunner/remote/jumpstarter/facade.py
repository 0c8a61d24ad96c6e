"""What a client of Jumpstarter finds on a part of ours: methods by name, with plain data by position."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface
from flowrunner.interfaces.storage import Extent, Image

P = ParamSpec("P")
R = TypeVar("R")

Handle = dict[str, Any]
Put = Callable[[bytes], Awaitable[None]]
Unary = Callable[..., Awaitable[Any]]
Iterator = Callable[..., AsyncIterator[Any]]
Opening = Callable[[], AbstractAsyncContextManager[ByteStream]]


class Resources(Protocol):
    """Content behind the handles that a client gives as arguments: it is on the client's side."""

    def read(self, handle: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """The content, unpacked."""
        ...

    def write(self, handle: Mapping[str, Any]) -> AbstractAsyncContextManager[Put]:
        """Where content goes; leaving ends it."""
        ...


class Facade:
    """The methods of one contract over the client of a part. `client_class` is what Jumpstarter's client loads for it.

    The methods check what they are given: a wrong argument is a ValueError. `unary` answer once, `iterators` many
    times, `streams` open byte streams.
    """

    client_class: ClassVar[str]

    def __init__(self, part: Interface, resources: Resources) -> None:
        self.part: Any = part
        self.resources = resources
        self.unary: dict[str, Unary] = {}
        self.iterators: dict[str, Iterator] = {}
        self.streams: dict[str, Opening] = {}

    async def labels(self) -> Mapping[str, str]:
        """Labels that the report needs beside those of every part."""
        return {}

    def serve(self, *methods: Callable[..., Any], **named: Callable[..., Any]) -> None:
        """Offer methods by their own names or by others; what they are is seen from how they are written."""
        for name, method in {method.__name__: method for method in methods}.items() | named.items():
            checks = checked(method)
            if inspect.iscoroutinefunction(method):
                self.unary[name] = checks
            else:
                self.iterators[name] = checks


def checked(method: Callable[P, R]) -> Callable[P, R]:
    """`method`, refusing what does not fit its annotations; what nearly fits is converted, as `5.0` to a whole number.

    Numbers that cross the wire are doubles, and there are no names of arguments.
    """
    signature, hints = inspect.signature(method), _hints(getattr(method, "__func__", method))
    plain = all(each.default is not each.empty for each in signature.parameters.values())

    @wraps(method)
    def check(*args: Any, **kwargs: Any) -> R:
        if plain and not args and not kwargs:
            return method()  # type: ignore[call-arg] # it needs none
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ValueError(f"'{method.__name__}' takes other arguments: {error}") from error
        for name, value in bound.arguments.items():
            various = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            read = [_read(hints[name], each, name, method.__name__) for each in (value if various else (value,))]
            bound.arguments[name] = tuple(read) if various else read[0]
        return method(*bound.args, **bound.kwargs)

    return check


@cache
def _hints(function: Callable[..., Any]) -> Mapping[str, TypeAdapter[Any]]:
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(function).items() if name != "return"}


def _read(hint: TypeAdapter[Any], value: Any, name: str, method: str) -> Any:
    try:
        return hint.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"'{method}' cannot be called with this {name}: {why(error)}") from error


def why(error: ValidationError) -> str:
    """What is wrong, in one line, without the values."""
    return "; ".join(detail["msg"] for detail in error.errors(include_url=False, include_input=False))


class HandleImage(Image):
    """What a client offers, as an image: it is all data, and how much is not known before its end."""

    name = "the client's file"
    size = None

    def __init__(self, resources: Resources, handle: Handle) -> None:
        self._resources = resources
        self._handle = handle

    async def extents(self) -> AsyncIterator[Extent]:
        at = 0
        async for chunk in self._resources.read(self._handle):
            yield Extent(at, len(chunk), chunk)
            at += len(chunk)


async def written(resources: Resources, handle: Handle, chunks: AsyncIterator[bytes]) -> None:
    """Send `chunks` to where a handle says."""
    async with resources.write(handle) as put, _closing(chunks):
        async for chunk in chunks:
            await put(chunk)


def _closing(chunks: AsyncIterator[bytes]) -> AbstractAsyncContextManager[Any]:
    if not hasattr(chunks, "aclose"):
        raise BenchError("an iterator that cannot be closed cannot be left", blame="internal")
    return aclosing(chunks)
