"""Values from outside, as the types of the language."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowrunner.console.regexes import compiled
from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.model import Duration, Secret, Size, Type, Version
from flowrunner.pipeline.explain import NOUNS, given
from flowrunner.pipeline.plan import FileFacts
from flowrunner.source import parse, plain


def from_text(text: str, kind: Type, folder: Path) -> Any:
    """`text` from a command line or an environment as a value of `kind`; relative paths start at `folder`.

    Raises:
        ValueError: it is none, with the reason.
    """
    if kind in ("list", "map", "any"):
        return from_data(_yaml(text), kind, folder)
    if kind in _NUMBERS:
        pattern, make = _NUMBERS[kind]
        if not re.fullmatch(pattern, text.strip()):
            raise ValueError(f"needs {NOUNS[kind]}, got {given(text)}")
        return make(text.strip())
    return from_data(text, kind, folder)


_NUMBERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "int": (r"[+-]?\d+", int),
    "float": (r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", float),
    "bool": (r"true|false", lambda text: text == "true"),
}


def from_data(value: Any, kind: Type, folder: Path) -> Any:
    """`value` from a file as a value of `kind`; relative paths start at `folder`.

    Raises:
        ValueError: it is none, with the reason.
    """
    make = _MAKERS.get(kind)
    if make is None or value is None:
        if kind == "any":
            return value
        raise ValueError(f"needs {NOUNS[kind]}, got {given(value)}")
    accepted, convert = make
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"needs {NOUNS[kind]}, got {given(value)}")
    return convert(value, folder)


def _path(check: Callable[[Path], bool], noun: str) -> Callable[[str, Path], str]:
    def convert(text: str, folder: Path) -> str:
        path = (folder / Path(text).expanduser()).absolute()
        if not check(path):
            raise ValueError(f"needs {noun} that exists, there is no '{text}'")
        return str(path)

    return convert


def _regular(text: str, folder: Path) -> str:
    try:
        compiled(text)
    except PipelineError as error:
        raise ValueError(f"is no regular expression: {error.__cause__}") from error
    return text


_MAKERS: Mapping[str, tuple[type | tuple[type, ...], Callable[[Any, Path], Any]]] = {
    "string": (str, lambda value, _: value),
    "int": (int, lambda value, _: value),
    "float": ((int, float), lambda value, _: float(value)),
    "bool": (bool, lambda value, _: value),
    "duration": ((str, Duration), lambda value, _: value if isinstance(value, Duration) else Duration.parse(value)),
    "size": ((str, Size), lambda value, _: value if isinstance(value, Size) else Size.parse(value)),
    "version": (str, lambda value, _: Version(value)),
    "regex": (str, _regular),
    "file": ((str, Path), _path(Path.is_file, "a file")),
    "directory": ((str, Path), _path(Path.is_dir, "a directory")),
    "list": ((list, tuple), lambda value, _: list(value)),
    "map": (dict, lambda value, _: value),
    "secret": (str, lambda value, _: Secret(value)),
}


def _yaml(text: str) -> Any:
    try:
        root = parse(text, "value").root
    except PipelineErrors as error:
        raise ValueError(f"is no YAML: {error.errors[0].what}") from error
    return None if root is None else plain(root)


def facts(path: Path) -> FileFacts:
    """Digest and size of a file, or of all files below a directory with their names."""
    if path.is_file():
        with path.open("rb") as file:
            return FileFacts(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
    digest, size = hashlib.sha256(), 0
    for entry in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        one = facts(entry)
        digest.update(f"{one.sha256} {entry.relative_to(path).as_posix()}\n".encode())
        size += one.size
    return FileFacts(digest.hexdigest(), size)
