"""What operators do with values that have a unit, before the run with their types and in the run with their values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from jinja2 import Undefined

from flowrunner.expressions.limits import bounded, check_operation, spend
from flowrunner.model import Duration, Secret, Size, Type, Version

NUMBERS = {"int", "float", "bool"}

QUANTITIES = {"duration", "size"}

TEXTS = {"string", "version", "regex", "file", "directory", "secret"}

VERBS = {
    "+": "added", "-": "subtracted", "*": "multiplied", "/": "divided", "//": "divided", "%": "divided",
    "**": "raised to a power", "<": "compared", "in": "looked for in one another",
}  # fmt: skip

_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow,
}  # fmt: skip

_KINDS: tuple[tuple[type, Type], ...] = (
    (bool, "bool"), (Duration, "duration"), (Size, "size"), (int, "int"), (float, "float"), (Secret, "secret"),
    (Version, "version"), (str, "string"), (list, "list"), (tuple, "list"), (Mapping, "map"),
)  # fmt: skip

_NOUNS: Mapping[str, str] = {
    "string": "text", "int": "a number", "float": "a number", "bool": "a boolean", "duration": "a duration",
    "size": "a size", "list": "a list", "map": "a mapping", "version": "a version", "secret": "a secret",
    "file": "a file", "directory": "a directory", "regex": "a pattern", "any": "a value",
}  # fmt: skip


def kind_of(value: Any) -> Type:
    """The type of a value; `any` for what the language has no word for."""
    for python, kind in _KINDS:
        if isinstance(value, python):
            return kind
    return "any"


def noun_of(value: Any) -> str:
    """What a person calls such a value."""
    return "null" if value is None else named(kind_of(value))


def named(kind: Type) -> str:
    """What a person calls a value of this type."""
    return _NOUNS[kind]


def result_type(operator: str, left: Type, right: Type) -> Type | None:
    """The type of `left operator right`; None when there is no such operation."""
    if "any" in (left, right):
        return "any"
    if left in NUMBERS and right in NUMBERS:
        return _number(operator, left, right)
    if left in QUANTITIES or right in QUANTITIES:
        return _quantity(operator, left, right)
    if operator == "+":
        if left in TEXTS and right in TEXTS:
            return "secret" if "secret" in (left, right) else "string"
        return "list" if left == right == "list" else None
    for one, other in ((left, right), (right, left)):
        if operator == "*" and other in ("int", "bool") and one in {*TEXTS, "list"}:
            return one if one in ("list", "secret") else "string"
    return None


def _number(operator: str, left: Type, right: Type) -> Type:
    if operator == "**":
        return "any"
    return "float" if operator == "/" or "float" in (left, right) else "int"


def _quantity(operator: str, left: Type, right: Type) -> Type | None:
    if left == right:
        kinds: Mapping[str, Type] = {"+": left, "-": left, "%": left, "/": "float", "//": "int"}
        return kinds.get(operator)
    if right in NUMBERS and operator in ("+", "-", "*", "/", "//", "%"):
        return left
    return right if left in NUMBERS and operator in ("+", "-", "*") else None


def cannot(operator: str, left: str, right: str) -> str:
    """Words for an operation that there is not."""
    return f"{left} and {right} cannot be {VERBS[operator]}"


def combine(operator: str, left: Any, right: Any) -> Any:
    """`left operator right`, with its unit.

    Raises:
        TypeError: there is no such operation.
        TooLarge: the result would be too large.
    """
    check_operation(operator, left, right)
    if isinstance(left, str | list | tuple):
        spend(left)
        spend(right)
    if isinstance(left, Undefined) or isinstance(right, Undefined):
        return _OPERATIONS[operator](left, right)
    kind = result_type(operator, kind_of(left), kind_of(right))
    if kind is None or left is None or right is None:
        raise TypeError(cannot(operator, noun_of(left), noun_of(right)))
    value = bounded(_OPERATIONS[operator](_bare(left), _bare(right)))
    return _GIVEN.get(kind, float)(value) if _has_unit(left, right) else value


def signed(operator: str, value: Any) -> Any:
    """`+value` or `-value`, with its unit.

    Raises:
        TypeError: it is no number.
    """
    if isinstance(value, Undefined):
        return -value
    if kind_of(value) not in NUMBERS | QUANTITIES:
        raise TypeError(f"{noun_of(value)} cannot have the sign {operator}")
    return alike(value, -_bare(value) if operator == "-" else _bare(value))


def alike(model: Any, value: float) -> Any:
    """`value` with the unit that `model` has."""
    return Duration(value) if isinstance(model, Duration) else _size(value) if isinstance(model, Size) else value


def comparable(left: Type, right: Type) -> bool:
    """Whether `<` can compare the two."""
    groups = (NUMBERS | {"duration"}, NUMBERS | {"size"}, TEXTS, {"list"})
    return "any" in (left, right) or any(left in group and right in group for group in groups)


def _bare(value: Any) -> Any:
    return float(value) if isinstance(value, Duration) else int(value) if isinstance(value, Size) else value


def _has_unit(left: Any, right: Any) -> bool:
    return isinstance(left, Duration | Size) or isinstance(right, Duration | Size)


def _size(value: float) -> Size:
    return Size(cast("Any", value))


_GIVEN: Mapping[str, Callable[[Any], Any]] = {"duration": Duration, "size": _size, "int": int}
