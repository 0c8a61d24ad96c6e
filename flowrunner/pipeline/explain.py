"""The validator's errors, in the words of the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from flowrunner.errors import near
from flowrunner.model import Duration, Size

WANTED: Mapping[str, str] = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "text", "string_sub_type": "text", "path_type": "a path", "url_type": "a URL",
    "list_type": "a list", "tuple_type": "a list", "set_type": "a list", "frozen_set_type": "a list",
    "dict_type": "a mapping", "mapping_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "none_required": "null",
}  # fmt: skip
"""What the validator's type errors ask for; all of them are about the type, never about the value."""

NOUNS: Mapping[str, str] = {
    "string": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "duration": "a duration",
    "size": "a size", "version": "a version", "regex": "a regular expression", "file": "a file",
    "directory": "a directory", "list": "a list", "map": "a mapping", "secret": "a secret", "any": "a value",
}  # fmt: skip
"""Each type of the language, as one says it in a sentence."""


def is_mismatch(error: ErrorDetails) -> bool:
    """Whether `error` is about the type of the value, whatever the value is."""
    return error["type"] in WANTED or error["type"] == "quantity" or _is_no_text(error)


def is_word(error: ErrorDetails) -> bool:
    """Whether `error` is that one of some words was asked for."""
    return error["type"] in ("literal_error", "enum") and bool(_choices(error.get("ctx") or {}))


def is_no_word(error: ErrorDetails) -> bool:
    """Whether one of some words was asked for, and nothing like one of them stands there."""
    value = error["input"]
    return is_word(error) and not (
        isinstance(value, str) and near(value, _choices(error.get("ctx") or {})).startswith("did")
    )


def _is_no_text(error: ErrorDetails) -> bool:
    return is_word(error) and not isinstance(error["input"], str)


def wanted(error: ErrorDetails) -> str:
    """What a type error asks for: `a duration`."""
    if error["type"] == "quantity":
        found = re.match(r"needs (an? \w+)", error["msg"])
        return found[1] if found else "a quantity"
    if is_word(error):
        return " or ".join(f"'{word}'" for word in _choices(error.get("ctx") or {}))
    return WANTED[error["type"]]


def given(value: Any) -> str:
    """What stands there, as one says it in a sentence."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case Duration() | Size():
            return f"'{value}'"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {shortened(value)}"
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case _:
            return repr(value)


def shortened(text: str) -> str:
    """`text` in quotes, on one line and not too long."""
    line = text.replace("\n", "\\n")
    return f"'{line if len(line) <= 40 else line[:37] + '...'}'"


def explain(label: str, error: ErrorDetails) -> tuple[str, str, str | None]:
    """Code, sentence and help for one error at the value that `label` names."""
    if error["type"] == "quantity" and ": the unit" in error["msg"]:
        return "bad-unit", f"{label} {error['msg']}", _advice(error)
    if is_mismatch(error):
        code = "missing-unit" if error["type"] == "quantity" and "the number" in error["msg"] else "wrong-type"
        return code, f"{label} needs {wanted(error)}, got {given(error['input'])}", _advice(error)
    context = error.get("ctx") or {}
    if error["type"] in _SENTENCES:
        return "bad-value", f"{label} {_SENTENCES[error['type']](context, error['input'])}", _advice(error)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    code = str(context.get("code", "bad-regex" if error["type"] == "regex" else "bad-value"))
    return code, f"{label} {message}" if _VERB.match(message) else f"{label}: {message}", _advice(error)


_VERB = re.compile(r"(needs|has|is|are|must|takes|cannot|may|allows|wants)\b")
"""How a message begins that goes on from the name of what it is about."""


def condense(label: str, branches: Sequence[ErrorDetails]) -> tuple[str, str, str | None]:
    """One error for a value that fits none of several shapes."""
    kinds = list(dict.fromkeys(wanted(error) for error in branches if wanted(error) != "null"))
    asked = " or ".join((", ".join(kinds[:-1]), kinds[-1])) if len(kinds) > 1 else kinds[0]
    helps = (_advice(error) for error in branches if len(kinds) == 1 or wanted(error) != "a list")
    first = branches[0]
    code = (
        "missing-unit" if any("the number" in e["msg"] and e["type"] == "quantity" for e in branches) else "wrong-type"
    )
    return (
        code,
        f"{label} needs {asked}, got {given(first['input'])}",
        next((advice for advice in helps if advice), None),
    )


def _advice(error: ErrorDetails) -> str | None:
    context, value = error.get("ctx") or {}, error["input"]
    if context.get("help"):
        return str(context["help"])
    kind = error["type"]
    if kind in ("literal_error", "enum"):
        return near(str(value), _choices(context)) if isinstance(value, str) else None
    if kind == "string_type" and isinstance(value, int | float):
        return f"put it in quotes: '{str(value).lower() if isinstance(value, bool) else value}'"
    if WANTED.get(kind) == "a list" and isinstance(value, str | int | float):
        return f"write it as [{value}]"
    if WANTED.get(kind) == "true or false" and isinstance(value, str):
        plain = _BOOLEANS.get(value.lower())
        return f"write {plain}, without quotes" if plain else f"write it as ${{{{ {value} }}}}"
    return None


_BOOLEANS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def _choices(context: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(context.get("expected", "")))


def _one_of(context: Mapping[str, Any], value: Any) -> str:
    expected = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
    several = "is one of " if "," in expected else "must be "
    return f"{several}{expected}; got {given(value)}"


def _limit(word: str, key: str) -> Callable[[Mapping[str, Any], Any], str]:
    def sentence(context: Mapping[str, Any], value: Any) -> str:
        bound = context.get(key)
        shown = Duration(bound) if isinstance(value, Duration) and isinstance(bound, int | float) else bound
        return (
            f"must be {word} {shown:g}, got {value}"
            if isinstance(shown, float) and not isinstance(shown, Duration)
            else f"must be {word} {shown}, got {value}"
        )

    return sentence


def _short(noun: str) -> Callable[[Mapping[str, Any], Any], str]:
    def sentence(context: Mapping[str, Any], value: Any) -> str:
        least = context.get("min_length")
        return "must not be empty" if least == 1 else f"needs at least {least} {noun}, got {len(value)}"

    return sentence


def _long(noun: str) -> Callable[[Mapping[str, Any], Any], str]:
    return lambda context, value: f"takes at most {context.get('max_length')} {noun}, got {len(value)}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], Any], str]] = {
    "literal_error": _one_of,
    "enum": _one_of,
    "greater_than": _limit("above", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("below", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": _short("items"),
    "too_long": _long("items"),
    "string_too_short": _short("characters"),
    "string_too_long": _long("characters"),
    "string_pattern_mismatch": lambda context, value: f"must match {context.get('pattern')}, got {given(value)}",
}
