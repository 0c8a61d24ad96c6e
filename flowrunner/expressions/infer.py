"""The types of an expression before the run: that of its result, and operations that can only fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from jinja2 import nodes

from flowrunner.expressions.allowed import STANDARD
from flowrunner.expressions.arithmetic import (
    NUMBERS,
    QUANTITIES,
    TEXTS,
    cannot,
    comparable,
    kind_of,
    named,
    result_type,
)
from flowrunner.expressions.filters import FUNCTIONS, OWN
from flowrunner.expressions.names import Names
from flowrunner.model import Type

METHOD_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("startswith", "endswith", "isdigit", "isalpha", "isalnum"), "bool"),
    **dict.fromkeys(("split", "rsplit", "splitlines", "partition", "rpartition"), "list"),
    **dict.fromkeys(("find", "count", "index"), "int"),
}

_OPERATORS: Mapping[type[nodes.BinExpr], str] = {
    nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/", nodes.FloorDiv: "//", nodes.Mod: "%",
    nodes.Pow: "**",
}  # fmt: skip


class Typer:
    """Finds the type of an expression; `clashes` says what in it can only fail."""

    def __init__(self, names: Names) -> None:
        self.clashes: list[str] = []
        self._names = names

    def type_of(self, tree: nodes.Expr) -> Type:  # noqa: C901 one case for each kind of node
        """The type of what `tree` gives; `any` when only the run can know."""
        match tree:
            case nodes.Const(value=value):
                return kind_of(value)
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._named(tree)
            case nodes.Compare():
                return self._compared(tree)
            case nodes.Not() | nodes.Test():
                self.type_of(tree.node)
                return "bool"
            case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
                return _same(self.type_of(left), self.type_of(right))
            case nodes.CondExpr(test=test, expr1=yes, expr2=no):
                self.type_of(test)
                return _same(self.type_of(yes), self.type_of(no)) if no is not None else "any"
            case nodes.Neg(node=inner) | nodes.Pos(node=inner):
                return self._signed(self.type_of(inner))
            case nodes.Concat():
                return "string"
            case nodes.Filter(node=nodes.Expr() as inner):
                return self._filtered(tree, self.type_of(inner))
            case nodes.Call(node=called):
                return _called(called)
            case nodes.List() | nodes.Tuple():
                return "list"
            case nodes.Dict():
                return "map"
            case nodes.BinExpr():
                return self._combined(tree)
            case _:
                return "any"

    def _named(self, tree: nodes.Expr) -> Type:
        path: list[str] = []
        while not isinstance(tree, nodes.Name):
            if isinstance(tree, nodes.Getattr):
                path.append(tree.attr)
            elif isinstance(tree, nodes.Getitem) and isinstance(tree.arg, nodes.Const):
                path.append(str(tree.arg.value))
            else:
                return "any"
            tree = tree.node
        here: object = self._names
        for word in [tree.name, *reversed(path)]:
            here = here.get(word, "any") if isinstance(here, Mapping) else "any"
        if isinstance(here, Mapping):
            return "map"
        return cast("Type", here) if isinstance(here, str) else "any"

    def _combined(self, tree: nodes.BinExpr) -> Type:
        operator = _OPERATORS[type(tree)]
        left, right = self.type_of(tree.left), self.type_of(tree.right)
        found = result_type(operator, left, right)
        if found is None:
            self.clashes.append(cannot(operator, named(left), named(right)))
        return found or "any"

    def _compared(self, tree: nodes.Compare) -> Type:
        left = self.type_of(tree.expr)
        for operand in tree.ops:
            right = self.type_of(operand.expr)
            if operand.op in ("eq", "ne") and not _equatable(left, right):
                self.clashes.append(f"{named(left)} is never equal to {named(right)}")
            elif operand.op in ("lt", "lteq", "gt", "gteq") and not comparable(left, right):
                self.clashes.append(cannot("<", named(left), named(right)))
            elif operand.op in ("in", "notin") and not _searchable(left, right):
                self.clashes.append(f"{named(left)} cannot be in {named(right)}")
            left = right
        return "bool"

    def _signed(self, kind: Type) -> Type:
        if kind != "any" and kind not in NUMBERS | QUANTITIES:
            self.clashes.append(f"{named(kind)} cannot have a sign")
        return "int" if kind == "bool" else kind

    def _filtered(self, tree: nodes.Filter, inner: Type) -> Type:
        if tree.name in ("default", "d"):
            return _same(inner, self.type_of(tree.args[0]) if tree.args else "string")
        if tree.name == "round":
            return inner if inner in QUANTITIES else "float" if inner in NUMBERS else "any"
        if tree.name == "abs":
            return self._signed(inner)
        if tree.name == "reverse" and inner in ("string", "list"):
            return inner
        return OWN[tree.name][1] if tree.name in OWN else STANDARD.get(tree.name, "any")


def _called(called: nodes.Expr) -> Type:
    if isinstance(called, nodes.Name):
        return FUNCTIONS[called.name][1] if called.name in FUNCTIONS else "any"
    if isinstance(called, nodes.Getattr):
        return METHOD_TYPES.get(called.attr, "string")
    return "any"


def _same(left: Type, right: Type) -> Type:
    if left == right:
        return left
    return "secret" if "secret" in (left, right) else "any"


def _equatable(left: Type, right: Type) -> bool:
    if "any" in (left, right) or left == right:
        return True
    return any(left in group and right in group for group in (NUMBERS | QUANTITIES, TEXTS))


def _searchable(left: Type, right: Type) -> bool:
    if right in TEXTS:
        return left in TEXTS or left == "any"
    return right in ("any", "list") or (right == "map" and left not in ("list", "map"))
