"""What of Jinja2 and of Python's text the language offers."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.model import Type

STANDARD: Mapping[str, Type] = {
    "first": "any", "last": "any", "length": "int", "count": "int", "list": "list", "lower": "string",
    "upper": "string", "trim": "string", "capitalize": "string", "title": "string", "map": "list", "max": "any",
    "min": "any", "reject": "list", "rejectattr": "list", "select": "list", "selectattr": "list", "reverse": "any",
    "sort": "list", "unique": "list", "dictsort": "list", "items": "list",
}  # fmt: skip
"""Filters of Jinja2 that stay, with the type of what they give."""

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

APPLIED: Mapping[str, tuple[int, str]] = {
    "map": (0, "filter"), "select": (0, "test"), "reject": (0, "test"),
    "selectattr": (1, "test"), "rejectattr": (1, "test"),
}  # fmt: skip
"""Filters that apply another filter or test, with the position of the argument that names it."""
