"""YAML 1.2 with a place for every node."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver

from flowrunner.errors import PipelineError, PipelineErrors, Span

MOST_NODES = 100_000
"""Nodes of one file, aliases written out; more is a mistake or an attack."""

DEEPEST = 100
"""Levels of nesting."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf: its value of the core schema, and the text as written; quoted and block scalars are always text."""

    value: bool | int | float | str | None
    where: Span
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    where: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; keys are text and unique."""

    entries: tuple[tuple[Scalar, Node], ...]
    where: Span

    def get(self, key: str) -> Node | None:
        """The value of `key`, None when it is not there."""
        return next((value for name, value in self.entries if name.value == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((name for name, _ in self.entries if name.value == key), None)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Each key's text with its value."""
        return ((str(name.value), value) for name, value in self.entries)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its root (None when it is empty), and its text for excerpts. `name` is what spans call it."""

    name: str
    text: str
    root: Node | None


def load(path: Path, *, name: str | None = None) -> Document:
    """Read and compose `path`.

    Raises:
        PipelineErrors: not readable, not UTF-8, not YAML, duplicate keys, merge keys, tags, several documents.
    """
    name = name or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PipelineErrors([PipelineError(f"{name} could not be read: {reason}", code="unreadable")]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig")
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        where = Span(name, line, column, line, column + 1)
        what = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise PipelineErrors(
            [PipelineError(what, code="bad-encoding", where=where, help="save it as UTF-8")]
        ) from error
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Compose `text` as `load` does."""
    try:
        root = _compose(text)
    except (MarkedYAMLError, ReaderError) as error:
        raise PipelineErrors([_syntax(error, text, name)]) from error
    reader = _Reader(text, name)
    node = reader.node(root) if root is not None else None
    if reader.errors:
        raise PipelineErrors(reader.errors)
    return Document(name, text, node)


def _compose(text: str) -> Any:
    """The composed root. libyaml is six times as fast, and of YAML 1.1: what it refuses may still be YAML 1.2."""
    try:
        return _yaml(pure=False).compose(text)
    except (MarkedYAMLError, ReaderError):
        try:
            return _yaml(pure=True).compose(text)
        except (MarkedYAMLError, ReaderError):
            pass
        raise


class _NoTags(VersionedResolver):
    """Leaves the meaning of scalars to us."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return ""


def _yaml(*, pure: bool) -> YAML:
    yaml = YAML(typ="safe", pure=pure)
    if not pure:
        yaml.Resolver = _NoTags
    return yaml


def plain(node: Node) -> Any:
    """The node as plain Python data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.items()}


class _Reader:
    """Turns composed nodes into ours, and collects what the language does not have."""

    def __init__(self, text: str, name: str) -> None:
        self.errors: list[PipelineError] = []
        self._lines = text.split("\n")
        self._name = name
        self._done: dict[int, tuple[Node, int]] = {}
        self._open: set[int] = set()
        self._count = 0

    def node(self, raw: Any) -> Node:
        """Our node for a composed one; an alias gives the same node again."""
        where = self._span(raw)
        known = self._done.get(id(raw))
        before = self._count
        self._count += known[1] if known else 1
        if self._count > MOST_NODES or len(self._open) > DEEPEST:
            what = f"more than {MOST_NODES} values" if self._count > MOST_NODES else f"more than {DEEPEST} levels deep"
            self._refuse(f"the file is {what}, aliases written out", "too-large", where, "split it")
            raise PipelineErrors(self.errors)
        if known:
            return known[0]
        if id(raw) in self._open:
            self._refuse("an alias stands inside its own anchor", "recursive-alias", where, "write it out")
            return Scalar(None, where, "", plain=True)
        self._check_tag(raw, where)
        self._open.add(id(raw))
        made = self._made(raw, where)
        self._open.discard(id(raw))
        self._done[id(raw)] = (made, self._count - before)
        return made

    def _made(self, raw: Any, where: Span) -> Node:
        if raw.id == "scalar":
            is_plain = not raw.style
            return Scalar(resolve(raw.value) if is_plain else raw.value, where, raw.value, is_plain)
        if raw.id == "sequence":
            return Sequence(tuple(self.node(item) for item in raw.value), where)
        entries: dict[str, tuple[Scalar, Node]] = {}
        for raw_key, raw_value in raw.value:
            key = self._key(raw_key)
            value = self.node(raw_value)
            if key and str(key.value) in entries:
                first = entries[str(key.value)][0].where
                self._refuse(
                    f"the key '{key.value}' is there twice", "duplicate-key", key.where, f"first at {first.short}"
                )
            elif key:
                entries[str(key.value)] = (key, value)
        return Mapping(tuple(entries.values()), where)

    def _key(self, raw: Any) -> Scalar | None:
        key = self.node(raw)
        if not isinstance(key, Scalar) or isinstance(key.value, bool) or key.value is None:
            self._refuse("a key must be text", "bad-key", key.where, "put it in quotes")
            return None
        if key.plain and key.text == "<<":
            self._refuse(
                "merge keys are not part of the language", "merge-key", key.where, "use defaults, or a template"
            )
            return None
        return Scalar(key.text, key.where, key.text, key.plain)

    def _check_tag(self, raw: Any, where: Span) -> None:
        written = self._lines[where.line - 1][where.column - 1 :] if where.line <= len(self._lines) else ""
        if written[:1] not in ("!", "&"):
            return
        tag = re.match(r"(?:&\S+\s+)?(![^\s,\]}]*)", written)
        if tag and not (raw.id == "scalar" and not raw.style and written.startswith(raw.value)):
            self._refuse(f"the tag '{tag[1]}' is not part of the language", "tag", where, "leave it out; quote text")

    def _span(self, raw: Any) -> Span:
        start, end = raw.start_mark, raw.end_mark
        return Span(self._name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _refuse(self, what: str, code: str, where: Span, help: str) -> None:
        self.errors.append(PipelineError(what, code=code, where=where, help=help))


_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")


def resolve(text: str) -> bool | int | float | str | None:
    """A plain scalar's value by the core schema of YAML 1.2 (chapter 10.3): `on`, `yes` and dates stay text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text) and len(text) < 4000:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return -math.inf if infinite[1] == "-" else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text


_HINTS = {
    "expected a single document": ("several-documents", "there is more than one document", "keep one, without '---'"),
    "found undefined alias": ("unknown-alias", "the alias has no anchor before it", "define it with &name first"),
    "cannot start any token": ("syntax", "this cannot stand here", "indent with spaces, and quote text with @ or `"),
    "did not find expected": (
        "syntax",
        "this line does not fit what is above it",
        "check its indentation, and brackets",
    ),
    "expected <block end>": (
        "syntax",
        "this line does not fit what is above it",
        "check its indentation, and brackets",
    ),
    "mapping values are not allowed": (
        "syntax",
        "a ':' is not allowed here",
        "quote the text, or check the indentation",
    ),
}


def _syntax(error: Exception, text: str, name: str) -> PipelineError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    line, column = (mark.line + 1, mark.column + 1) if mark else _place(text, getattr(error, "position", 0))
    line = min(line, text.count("\n") + 1)
    where = Span(name, line, column, line, column + 1)
    tab = text.split("\n")[line - 1][: column + 1].find("\t")
    if tab >= 0:
        where = Span(name, line, tab + 1, line, tab + 2)
        return PipelineError("a tab cannot indent", code="syntax", where=where, help="use spaces")
    for known, (code, what, advice) in _HINTS.items():
        if known in f"{getattr(error, 'context', '')} {said}":
            return PipelineError(what, code=code, where=where, help=advice)
    context = getattr(error, "context", None)
    return PipelineError(f"not YAML: {said}" + (f" {context}" if context else ""), code="syntax", where=where)


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
