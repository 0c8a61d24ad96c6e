"""Values as plain data and back: an interface's annotations say what they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from flowrunner.interface import Interface
from flowrunner.interfaces.storage import Image

Read = Callable[[Any], Any]


def plain(value: object) -> object:
    """`value` as something msgpack knows: bytes stay bytes, whole numbers stay whole.

    Raises:
        TypeError: there is no such way.
    """
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set | tuple):
        return list(value)
    return to_jsonable_python(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """How the arguments and the answers of a method are read from plain data.

    `uploads` are the parameters that are read where the job is: an image, several by name, or an iterator of bytes.
    """

    arguments: Mapping[str, Read]
    answer: Read
    uploads: frozenset[str]
    chunks: bool
    """Whether the answers are bytes, of which many may be on their way."""

    def read(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments from plain data.

        Raises:
            ValueError: one does not fit, or there is no such parameter.
        """
        unknown = [name for name in data if name not in self.arguments]
        if unknown:
            raise ValueError(f"there is no parameter '{unknown[0]}'")
        return {name: self.arguments[name](value) for name, value in data.items()}


@cache
def signature(interface: type[Interface], method: str) -> Signature:
    """What is known of a method of an interface."""
    hints = get_type_hints(getattr(interface, method), include_extras=True)
    answer = hints.pop("return", None)
    kind = interface.calls()[method]
    if kind == "iterator":
        (answer,) = get_args(answer)
    uploads = frozenset(
        name for name, hint in hints.items() if hint in (Image, Mapping[str, Image]) or _many_bytes(hint)
    )
    arguments = {name: _as_it_is if name in uploads else _reader(hint) for name, hint in hints.items()}
    return Signature(arguments, _as_it_is if kind == "stream" else _reader(answer), uploads, answer is bytes)


def _many_bytes(hint: Any) -> bool:
    name = getattr(getattr(hint, "__origin__", None), "__name__", "")
    return name in ("AsyncIterator", "AsyncIterable") and get_args(hint) == (bytes,)


def _reader(hint: Any) -> Read:
    """How a value of this type is read; one that is plain already goes through unseen."""
    if hint is None or hint is Any:
        return _as_it_is
    validate = TypeAdapter(hint).validate_python
    if hint in (str, bytes, bool, int):

        def read(value: Any) -> Any:
            return value if type(value) is hint else validate(value)

        return read
    return validate


def _as_it_is(value: Any) -> Any:
    return value
