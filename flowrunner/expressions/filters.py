"""The filters and functions of expressions that are our own."""

from __future__ import annotations

import base64
import json
import math
import posixpath
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import regex
from jinja2 import Environment, Undefined, pass_environment
from jinja2.filters import make_attrgetter

from flowrunner.expressions.arithmetic import alike, combine, noun_of
from flowrunner.expressions.limits import LARGEST, TooLarge, searching
from flowrunner.expressions.texts import joined, text_of
from flowrunner.model import Duration, Size, Type, Version

LONGEST_PATTERN = 1000
"""Characters of a regular expression."""

_NONE_GIVEN: Any = object()


def join(values: Iterable[Any], separator: str = "") -> str:
    """The values as one text."""
    return joined(values, separator)


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    """`text` with `new` for each `old`, at most `count` of them."""
    if len(text) + text.count(old) * len(new) > LARGEST:
        raise TooLarge(f"the text would have more than {LARGEST} characters")
    return text.replace(old, new, count)


def _search(text: Any, pattern: str, find: Callable[[Any, str, float], Any]) -> Any:
    if len(pattern) > LONGEST_PATTERN:
        raise TooLarge(f"a pattern may have {LONGEST_PATTERN} characters")
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"the pattern '{pattern}' is not valid: {error}") from error
    with searching() as patience:
        return find(compiled, text_of(text), patience)


def regex_search(text: str, pattern: str, group: int | str | None = None) -> str:
    """The first match of `pattern`, or its only group, or the one that `group` names; empty when there is none."""
    hit = _search(text, pattern, lambda compiled, text, patience: compiled.search(text, timeout=patience))
    if hit is None:
        return ""
    chosen = group if group is not None else (1 if hit.re.groups == 1 else 0)
    return str(hit[chosen] or "")


def regex_findall(text: str, pattern: str) -> list[Any]:
    """All matches of `pattern`; lists of the groups when it has several."""
    found = _search(text, pattern, lambda compiled, text, patience: compiled.findall(text, timeout=patience))
    return [list(one) if isinstance(one, tuple) else one for one in found]


def matches(text: str, pattern: str) -> bool:
    """Whether `pattern` is found in `text`."""
    hit = _search(text, pattern, lambda compiled, text, patience: compiled.search(text, timeout=patience))
    return hit is not None


def to_json(value: Any) -> str:
    """The value as JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Any:
    """What the JSON says."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def lines(text: str) -> list[str]:
    """The lines of a text."""
    found = str(text).replace("\r\n", "\n").split("\n")
    return found[:-1] if found[-1] == "" else found


def split(text: str, separator: str | None = None) -> list[str]:
    """The pieces between the separators, or between white space."""
    return str(text).split(separator)


def b64decode(text: str) -> str:
    """The UTF-8 text that is written as base64."""
    return base64.b64decode(str(text), validate=True).decode()


def duration(value: Any) -> Duration:
    """Text with a unit as a duration; a number counts seconds."""
    return Duration.parse(value) if isinstance(value, str) else Duration(value)


def size(value: Any) -> Size:
    """Text with a unit as a size; a number counts bytes."""
    return Size.parse(value) if isinstance(value, str) else Size(value)


def version(value: Any) -> Version:
    """Text as a version, which compares by its numbers."""
    return Version(text_of(value))


def boolean(value: Any) -> bool:
    """The booleans, and the texts `true` and `false`."""
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return str(value).lower() == "true"


def integer(value: Any, default: Any = _NONE_GIVEN, base: int = 10) -> Any:
    """A whole number; what is behind the point is cut off. `default` is for what is no number."""
    with suppress(ValueError, TypeError, OverflowError):
        return int(value, base) if isinstance(value, str) else int(value)
    with suppress(ValueError, TypeError, OverflowError):
        return int(float(value))
    if default is _NONE_GIVEN:
        raise ValueError(f"{_shown(value)} is no whole number")
    return default


def floating(value: Any, default: Any = _NONE_GIVEN) -> Any:
    """A number; `default` is for what is none."""
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError) as error:
        if default is _NONE_GIVEN:
            raise ValueError(f"{_shown(value)} is no number") from error
        return default


def rounded(value: float, precision: int = 0, method: str = "common") -> Any:
    """The number with `precision` digits behind the point; `method` is common, ceil or floor. A unit stays."""
    if not -15 <= precision <= 15:
        raise ValueError("the precision goes from -15 to 15")
    if method not in ("common", "ceil", "floor"):
        raise ValueError("the method is common, ceil or floor")
    factor = 10.0**precision
    whole = math.ceil if method == "ceil" else math.floor
    return alike(value, round(float(value), precision) if method == "common" else whole(value * factor) / factor)


def absolute(value: float) -> Any:
    """The number without its sign."""
    return alike(value, abs(value))


@pass_environment
def total(environment: Environment, values: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
    """All values added up, with their unit."""
    result: Any = None
    for value in map(make_attrgetter(environment, attribute), values):
        result = value if result is None else combine("+", result, value)
    if result is None:
        return start
    return result if start == 0 else combine("+", start, result)


def default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    """`fallback` when the value is not there or null; with `boolean` also when it is false, zero or empty."""
    missing = isinstance(value, Undefined) or value is None
    return fallback if missing or (boolean and not value) else value


def integer_range(*bounds: int) -> list[int]:
    """Whole numbers, as Python's range."""
    numbers = range(*bounds)
    if len(numbers) > 100_000:
        raise TooLarge("a range may have 100000 numbers")
    return list(numbers)


def _shown(value: Any) -> str:
    return f"'{value[:40]}'" if isinstance(value, str) else noun_of(value)


OWN: Mapping[str, tuple[Callable[..., Any], Type]] = {
    "abs": (absolute, "any"),
    "b64decode": (b64decode, "string"),
    "b64encode": (lambda text: base64.b64encode(text_of(text).encode()).decode(), "string"),
    "basename": (lambda path: posixpath.basename(str(path)), "string"),
    "bool": (boolean, "bool"),
    "d": (default, "any"),
    "default": (default, "any"),
    "dirname": (lambda path: posixpath.dirname(str(path)), "string"),
    "duration": (duration, "duration"),
    "float": (floating, "float"),
    "fromjson": (from_json, "any"),
    "int": (integer, "int"),
    "join": (join, "string"),
    "lines": (lines, "list"),
    "quote": (lambda text: shlex.quote(text_of(text)), "string"),
    "regex_findall": (regex_findall, "list"),
    "regex_search": (regex_search, "string"),
    "replace": (replace, "string"),
    "round": (rounded, "float"),
    "size": (size, "size"),
    "split": (split, "list"),
    "string": (lambda value: text_of(value), "string"),
    "sum": (total, "any"),
    "tojson": (to_json, "string"),
    "version": (version, "version"),
}
"""Our filters, with the type of what they give."""

FUNCTIONS: Mapping[str, tuple[Callable[..., Any], Type]] = {
    "range": (integer_range, "list"),
    "duration": (duration, "duration"),
    "size": (size, "size"),
    "version": (version, "version"),
    "regex_search": (regex_search, "string"),
}
"""Functions that an expression can call."""
