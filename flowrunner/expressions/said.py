"""What Python says of a wrong operation, in words for people who write pipelines."""

from __future__ import annotations

import re
from collections.abc import Callable

_NOUNS = {
    "str": "text", "Secret": "a secret", "int": "a number", "float": "a number", "bool": "a boolean",
    "Duration": "a duration", "Size": "a size", "Version": "a version", "list": "a list", "tuple": "a list",
    "dict": "a mapping", "NoneType": "null",
}  # fmt: skip

_KNOWN: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        r"'[<>]=?' not supported between instances of '(\w+)' and '(\w+)'",
        lambda found: f"{_noun(found[1])} and {_noun(found[2])} cannot be compared",
    ),
    (r"argument of type '(\w+)' is not iterable", lambda found: f"nothing can be in {_noun(found[1])}"),
    (r"'in <string>' requires string as left operand, not (\w+)", lambda found: f"{_noun(found[1])} cannot be in text"),
    (r"'(\w+)' object is not iterable", lambda found: f"{_noun(found[1])} has no items"),
    (r"object of type '(\w+)' has no len\(\)", lambda found: f"{_noun(found[1])} has no length"),
    (r"'(\w+)' object has no attribute '\w+'", lambda found: f"{_noun(found[1])} cannot be used for this"),
    (r"unhashable type: '(\w+)'", lambda found: f"{_noun(found[1])} cannot be a key"),
    (r".*division by zero|.*modulo by zero|float modulo", lambda found: "it divides by zero"),
    (
        r"the inline if-expression on line \d+ evaluated to false.*",
        lambda found: "the condition is false, with no else",
    ),
    (r"Object of type (\w+) is not JSON serializable", lambda found: f"{_noun(found[1])} cannot be written as JSON"),
)


def said(error: BaseException) -> str:
    """Why an evaluation failed."""
    if isinstance(error, RecursionError):
        return "a value is nested too deep"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, TimeoutError):
        return "a pattern searched for too long"
    message = str(getattr(error, "message", None) or error).rstrip(".")
    for pattern, words in _KNOWN:
        found = re.fullmatch(pattern, message)
        if found:
            return words(found)
    return message or type(error).__name__


def _noun(name: str) -> str:
    return _NOUNS.get(name, f"a {name}")
