"""The filters and functions of expressions."""

from __future__ import annotations

import base64
import json
import posixpath
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import regex

from flowrunner.expressions.limits import LARGEST, PATTERN_TIME, TooLarge, bounded
from flowrunner.model import Duration, Size, Type, Version

STANDARD: Mapping[str, Type] = {
    "abs": "any", "default": "any", "d": "any", "first": "any", "last": "any", "float": "float", "int": "int",
    "length": "int", "count": "int", "list": "list", "lower": "string", "upper": "string", "trim": "string",
    "capitalize": "string", "title": "string", "map": "list", "max": "any", "min": "any", "reject": "list",
    "rejectattr": "list", "select": "list", "selectattr": "list", "reverse": "any", "round": "float", "sort": "list",
    "string": "string", "sum": "any", "unique": "list", "dictsort": "list", "items": "list", "batch": "list",
}  # fmt: skip
"""Filters of Jinja2 that stay, with the type of what they give."""


def join(values: Iterable[Any], separator: str = "") -> str:
    """The values as one text."""
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > LARGEST:
        raise TooLarge(f"the text would have more than {LARGEST} characters")
    return separator.join(texts)


def concat(values: Iterable[Any]) -> str:
    """What `~` does."""
    return join(values)


def replace(text: str, old: str, new: str) -> str:
    """`text` with `new` for each `old`."""
    if len(text) + text.count(old) * len(new) > LARGEST:
        raise TooLarge(f"the text would have more than {LARGEST} characters")
    return text.replace(old, new)


def regex_search(text: str, pattern: str, group: int | str | None = None) -> str:
    """The first match of `pattern`, or its only group, or the one that `group` names; empty when there is none."""
    hit = regex.compile(pattern).search(text, timeout=PATTERN_TIME)
    if hit is None:
        return ""
    chosen = group if group is not None else (1 if hit.re.groups == 1 else 0)
    return str(hit[chosen] or "")


def regex_findall(text: str, pattern: str) -> list[Any]:
    """All matches of `pattern`."""
    return list(regex.compile(pattern).findall(text, timeout=PATTERN_TIME))


def matches(text: str, pattern: str) -> bool:
    """Whether `pattern` is found in `text`."""
    return regex.compile(pattern).search(text, timeout=PATTERN_TIME) is not None


def to_json(value: Any) -> str:
    """The value as JSON."""
    return str(bounded(json.dumps(value, ensure_ascii=False, default=str)))


def duration(value: Any) -> Duration:
    """Text with a unit as a duration; a number counts seconds."""
    return Duration.parse(value) if isinstance(value, str) else Duration(value)


def size(value: Any) -> Size:
    """Text with a unit as a size; a number counts bytes."""
    return Size.parse(value) if isinstance(value, str) else Size(value)


def integer_range(*bounds: int) -> list[int]:
    """Whole numbers, as Python's range."""
    numbers = range(*bounds)
    if len(numbers) > 100_000:
        raise TooLarge("a range may have 100000 numbers")
    return list(numbers)


OWN: Mapping[str, tuple[Callable[..., Any], Type]] = {
    "join": (join, "string"),
    "concat": (concat, "string"),
    "replace": (replace, "string"),
    "regex_search": (regex_search, "string"),
    "regex_findall": (regex_findall, "list"),
    "tojson": (to_json, "string"),
    "fromjson": (lambda text: json.loads(text), "any"),
    "lines": (lambda text: str(text).splitlines(), "list"),
    "split": (lambda text, separator=None: str(text).split(separator), "list"),
    "basename": (lambda path: posixpath.basename(str(path)), "string"),
    "dirname": (lambda path: posixpath.dirname(str(path)), "string"),
    "quote": (lambda text: shlex.quote(str(text)), "string"),
    "b64encode": (lambda text: base64.b64encode(str(text).encode()).decode(), "string"),
    "b64decode": (lambda text: base64.b64decode(str(text)).decode("utf-8", "replace"), "string"),
    "duration": (duration, "duration"),
    "size": (size, "size"),
    "version": (lambda text: Version(str(text)), "version"),
    "bool": (lambda value: {"true": True, "false": False}.get(str(value).lower(), value), "bool"),
}
"""Filters of our own, with the type of what they give."""

FUNCTIONS: Mapping[str, tuple[Callable[..., Any], Type]] = {
    "range": (integer_range, "list"),
    "duration": (duration, "duration"),
    "size": (size, "size"),
    "version": (lambda text: Version(str(text)), "version"),
}
"""Functions that an expression can call."""

TESTS = {
    "defined", "undefined", "none", "number", "integer", "float", "string", "mapping", "sequence", "boolean", "true",
    "false", "odd", "even", "divisibleby", "in", "eq", "==", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">=",
    "sameas", "lower", "upper", "iterable", "equalto", "greaterthan", "lessthan",
}  # fmt: skip
"""Tests of Jinja2 that stay; `matches` is our own."""

METHODS = {
    "split", "rsplit", "strip", "lstrip", "rstrip", "lower", "upper", "startswith", "endswith", "find", "count",
    "title", "splitlines", "partition", "rpartition", "isdigit", "isalpha", "isalnum", "removeprefix", "removesuffix",
    "replace", "join", "index",
}  # fmt: skip
"""Methods of text that an expression can call."""
