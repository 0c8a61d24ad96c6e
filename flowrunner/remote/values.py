"""Plain values to and from `google.protobuf.Value`: what crosses the wire to and from Jumpstarter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from flowrunner.remote.wire import ListValue, NullValue, Struct, Value

EXACT = 2**53
"""Whole numbers up to this survive as a double."""


def to_value(data: Any) -> Value:
    """`data` as a message; models, paths, times and the like become plain data first.

    Raises:
        ValueError: it cannot cross: bytes that are no UTF-8, NaN or infinity, whole numbers beyond 2^53.
    """
    match data:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case bool():
            return Value(bool_value=data)
        case str():
            return Value(string_value=str(data))
        case int() | float():
            return Value(number_value=_number(data))
        case Mapping():
            return Value(struct_value=Struct(fields={_key(key): to_value(item) for key, item in data.items()}))
        case bytes() | bytearray() | memoryview():
            return Value(string_value=bytes(data).decode("utf-8"))
        case Sequence() | set() | frozenset():
            return Value(list_value=ListValue(values=[to_value(item) for item in data]))
        case _:
            return to_value(to_jsonable_python(data))


def from_value(value: Value) -> Any:
    """The plain data of a message. Whole numbers come as `int`: the wire knows doubles only."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= EXACT else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {key: from_value(item) for key, item in value.struct_value.fields.items()}
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case _:
            return None


def _number(data: float) -> float:
    if isinstance(data, int) and abs(data) > EXACT:
        raise ValueError(f"the number {data} is too large to cross the wire exactly")
    if not math.isfinite(data):
        raise ValueError(f"{data} cannot cross the wire")
    return float(data)


def _key(key: object) -> str:
    plain = to_jsonable_python(key)
    return plain if isinstance(plain, str) else str(plain)
