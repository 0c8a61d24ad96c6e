"""Values of calls as a recording keeps them: plain data, large ones by digest and size."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from flowrunner.interface import Interface
from flowrunner.model import Secret

LARGE = 4096
"""Bytes of one argument above which only its digest and size are kept."""


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def plain(value: Any) -> Any:
    """An argument or a parameter as plain data, that equal ones have in common; no secret is in it."""
    match value:
        case Secret():
            return "***"
        case None | bool() | int() | float():
            return value
        case str():
            return str(value) if len(value) <= LARGE else _large(value.encode("utf-8", "surrogateescape"))
        case bytes() | bytearray() | memoryview():
            data = bytes(value)
            return {"base64": base64.b64encode(data).decode()} if len(data) <= LARGE else _large(data)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case AsyncIterable():
            return {"content": True}
        case _:
            return jsonable(value)


def jsonable(value: Any) -> Any:
    """`value` as plain data; what cannot be is its type's name: a recording must not end a run."""
    try:
        return to_jsonable_python(value, fallback=lambda other: type(other).__name__, bytes_mode="base64")
    except ValueError:
        return type(value).__name__


def _large(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": digest(data)}


def packed(value: Any) -> Any:
    """An answer as plain data, from which `unpacked` and its type make it again."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray() | memoryview():
            return {_BYTES: base64.b64encode(bytes(value)).decode()}
        case BaseModel():
            return packed(value.model_dump())
        case Mapping():
            return {str(key): packed(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [packed(item) for item in value]
        case _:
            return jsonable(value)


def unpacked(value: Any) -> Any:
    """What was `packed`, with its bytes."""
    if isinstance(value, dict):
        if value.keys() == {_BYTES}:
            return base64.b64decode(value[_BYTES])
        return {key: unpacked(item) for key, item in value.items()}
    return [unpacked(item) for item in value] if isinstance(value, list) else value


_BYTES = "$bytes"


class Content:
    """Content on its way to a driver: counted and summed up as it passes."""

    def __init__(self, inner: AsyncIterable[bytes]) -> None:
        self._inner = inner
        self._sum = hashlib.sha256()
        self._size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._sum.update(piece)
            self._size += len(piece)
            yield piece

    @property
    def facts(self) -> dict[str, Any]:
        """Size and digest of what has passed."""
        return {"size": self._size, "sha256": self._sum.hexdigest()}


@cache
def answer_type(interfaces: tuple[type[Interface], ...], method: str) -> TypeAdapter[Any]:
    """What reads an answer of `method`, or each of its answers when there are many, back from plain data."""
    found: Callable[..., Any] | None = next((getattr(one, method) for one in interfaces if hasattr(one, method)), None)
    declared = get_type_hints(found).get("return", Any) if found else Any
    if found is not None and not inspect.iscoroutinefunction(inspect.unwrap(found)):
        declared = next(iter(get_args(declared)), Any)
    return TypeAdapter(declared)
