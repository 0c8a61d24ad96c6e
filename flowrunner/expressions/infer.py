"""The type of an expression's result, as far as it can be known before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from jinja2 import nodes

from flowrunner.expressions.filters import FUNCTIONS, OWN, STANDARD
from flowrunner.expressions.names import Names
from flowrunner.model import Type

ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)

METHOD_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("startswith", "endswith", "isdigit", "isalpha", "isalnum"), "bool"),
    **dict.fromkeys(("split", "rsplit", "splitlines", "partition", "rpartition"), "list"),
    **dict.fromkeys(("find", "count", "index"), "int"),
}


def infer(tree: nodes.Expr, names: Names) -> Type:  # noqa: C901 one case for each kind of node
    """The type of what `tree` gives."""
    match tree:
        case nodes.Const(value=value):
            return _constant(value)
        case nodes.Name() | nodes.Getattr() | nodes.Getitem():
            return _named(tree, names)
        case nodes.Compare() | nodes.Not() | nodes.Test():
            return "bool"
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            return _same(infer(left, names), infer(right, names))
        case nodes.CondExpr(expr1=yes, expr2=no):
            return _same(infer(yes, names), infer(no, names)) if no is not None else "any"
        case nodes.Neg(node=inner) | nodes.Pos(node=inner):
            return infer(inner, names)
        case nodes.Filter(node=inner, name=name):
            return _filtered(name, inner, names)
        case nodes.Call(node=called):
            return _called(called)
        case nodes.List() | nodes.Tuple():
            return "list"
        case nodes.Dict():
            return "map"
        case _ if isinstance(tree, ARITHMETIC):
            return _arithmetic(tree, infer(tree.left, names), infer(tree.right, names))
        case _:
            return "any"


def _constant(value: object) -> Type:
    for python, kind in _CONSTANTS:
        if isinstance(value, python):
            return kind
    return "any"


_CONSTANTS: tuple[tuple[type, Type], ...] = ((bool, "bool"), (int, "int"), (float, "float"), (str, "string"))


def _named(tree: nodes.Expr, names: Names) -> Type:
    path: list[str] = []
    while not isinstance(tree, nodes.Name):
        if isinstance(tree, nodes.Getattr):
            path.append(tree.attr)
        elif isinstance(tree, nodes.Getitem) and isinstance(tree.arg, nodes.Const) and isinstance(tree.arg.value, str):
            path.append(tree.arg.value)
        else:
            return "any"
        tree = tree.node
    here: object = names
    for word in [tree.name, *reversed(path)]:
        here = here.get(word, "any") if isinstance(here, Mapping) else "any"
    if isinstance(here, Mapping):
        return "map"
    return cast("Type", here) if isinstance(here, str) else "any"


def _same(left: Type, right: Type) -> Type:
    if left == right:
        return left
    return "secret" if "secret" in (left, right) else "any"


def _filtered(name: str, inner: nodes.Expr | None, names: Names) -> Type:
    given = OWN[name][1] if name in OWN else STANDARD.get(name, "any")
    if name in ("abs", "default", "d", "reverse") and inner is not None:
        return infer(inner, names)
    return given


def _called(called: nodes.Expr) -> Type:
    if isinstance(called, nodes.Name):
        return FUNCTIONS[called.name][1] if called.name in FUNCTIONS else "any"
    if isinstance(called, nodes.Getattr):
        return METHOD_TYPES.get(called.attr, "string")
    return "any"


def _arithmetic(tree: nodes.Expr, left: Type, right: Type) -> Type:
    if "any" in (left, right):
        return "any"
    if left == right == "string" and isinstance(tree, nodes.Add):
        return "string"
    for quantity in ("duration", "size"):
        if quantity in (left, right):
            return "float" if left == right and isinstance(tree, nodes.Div) else cast("Type", quantity)
    if isinstance(tree, nodes.Div) or "float" in (left, right):
        return "float"
    return "int" if left == right == "int" else "any"
