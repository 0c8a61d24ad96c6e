"""What commands print: results for people, JSON for programs, bytes as they are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from flowrunner.commands.reading import usage


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data` to a file descriptor."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def show(value: Any, *, as_json: bool) -> None:
    """Print one result; nothing for None, unless JSON is wanted.

    Raises:
        PipelineError: bytes that are no text, on a terminal.
    """
    if as_json:
        print(json.dumps(to_jsonable_python(value, bytes_mode="base64"), ensure_ascii=False), flush=True)
    elif isinstance(value, bytes):
        _raw(value)
    elif isinstance(value, list | tuple):
        for each in value:
            print(words(each))
    elif value is not None:
        print(words(value), flush=True)


def words(value: Any) -> str:
    """A result in words: the fields of a model as `name=value`, the rest as it is said in YAML."""
    match value:
        case BaseModel():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return " ".join(f"{name}={words(each)}" for name, each in fields.items())
        case str():
            return value
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case Mapping() | list() | tuple():
            return json.dumps(to_jsonable_python(value, bytes_mode="base64"), ensure_ascii=False)
        case _:
            return str(value)


def _raw(data: bytes) -> None:
    if sys.stdout.isatty() and not _readable(data):
        raise usage("the result is no text", "write it to a file: > FILE, or -o FILE")
    sys.stdout.flush()
    write_all(sys.stdout.fileno(), data)


def _readable(data: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n\x1b" for byte in data[:1000])
