"""From a word of the command line to a value of a parameter's type."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, BinaryIO, Union, get_args, get_origin

import anyio.to_thread
from pydantic import TypeAdapter, ValidationError

from flowrunner.errors import PipelineError
from flowrunner.model import Size

PIECE = 1 << 18
"""Bytes of a file that are sent at once."""


def usage(what: str, help: str | None = None) -> PipelineError:
    """The error of a command line that cannot be."""
    return PipelineError(what, code="usage", help=help)


def plain(annotation: Any) -> Any:
    """The type without None: `str` of `str | None`."""
    if get_origin(annotation) in (Union, UnionType):
        rest = [part for part in get_args(annotation) if part is not NoneType]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def repeats(annotation: Any) -> bool:
    """Whether the option may be written more than once."""
    origin = get_origin(plain(annotation))
    return isinstance(origin, type) and issubclass(origin, Sequence | Mapping)


def read(annotation: Any, words: Sequence[str], name: str) -> Any:
    """The value of the parameter `name` that `words` stand for; several only where the option repeats.

    Bytes are the text itself, `@FILE` is a file's content, and `-` is standard input. A mapping is `KEY=VALUE`
    words, or JSON. A whole number may have a unit of size, a time one of time.

    Raises:
        PipelineError: they do not fit.
    """
    wanted = plain(annotation)
    try:
        if repeats(annotation):
            return _many(wanted, words)
        return _one(wanted, words[-1])
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        raise usage(f"'{words[-1]}' does not fit {name}: {why}", first.get("ctx", {}).get("help")) from error


def _many(wanted: Any, words: Sequence[str]) -> Any:
    adapter = TypeAdapter(wanted)
    if len(words) == 1 and words[0][:1] in ("{", "["):
        return adapter.validate_json(words[0])
    if issubclass(get_origin(wanted), Mapping):
        text = get_args(wanted)[-1] is str
        pairs = (word.partition("=") for word in words)
        return adapter.validate_python({key: value if text else _guess(value) for key, _, value in pairs})
    return adapter.validate_python(list(words))


def _one(wanted: Any, word: str) -> Any:
    if wanted is bytes:
        return _content(word)
    if wanted == AsyncIterable[bytes]:
        return _pieces(word)
    if wanted is Any:
        return _guess(word)
    if wanted is int and not word.lstrip("+-").isdigit():
        return _number(word)
    adapter = TypeAdapter(wanted)
    try:
        return adapter.validate_python(word)
    except ValidationError:
        if word[:1] not in ("{", "["):
            raise
        return adapter.validate_json(word)


def _content(word: str) -> bytes:
    if word == "-":
        return sys.stdin.buffer.read()
    if not word.startswith("@"):
        return word.encode()
    try:
        return Path(word[1:]).read_bytes()
    except OSError as error:
        raise usage(f"'{word[1:]}' could not be read: {error.strerror}") from error


def _pieces(word: str) -> AsyncIterable[bytes]:
    """What `_content` gives, but read while it is sent."""
    if word == "-":
        return _file(sys.stdin.buffer)
    if not word.startswith("@"):
        return _once(word.encode())
    try:
        return _file(Path(word[1:]).open("rb"))
    except OSError as error:
        raise usage(f"'{word[1:]}' could not be read: {error.strerror}") from error


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _file(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await anyio.to_thread.run_sync(os.read, file.fileno(), PIECE, abandon_on_cancel=True):
            yield piece


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        pass
    try:
        return int(Size.parse(word))
    except ValueError as error:
        raise usage(f"'{word}' is no whole number", "write it as 16, 0x10 or 64MiB") from error


def _guess(word: str) -> Any:
    """JSON when it is, else the text."""
    try:
        return json.loads(word)
    except ValueError:
        return word
