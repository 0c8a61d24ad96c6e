"""The check of an expression's filters, tests and their arguments before the run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from jinja2 import nodes
from jinja2.lexer import TOKEN_NAME, TOKEN_STRING

from flowrunner.expressions.allowed import APPLIED, STANDARD, TESTS
from flowrunner.expressions.check import Problem, unknown
from flowrunner.expressions.filters import OWN
from flowrunner.expressions.sandbox import sandbox
from flowrunner.expressions.words import Word

KNOWN: Mapping[str, set[str]] = {"filter": {*STANDARD, *OWN}, "test": {*TESTS, "matches"}}


def misapplied(tree: nodes.Expr, words: Sequence[Word]) -> Iterator[Problem]:
    """What is wrong with filters and tests: their names, and how many arguments they have."""
    if not any(word.value in ("|", "is") for word in words):
        return
    for node, (first, last) in zip(_in_order(tree), _places(words), strict=True):
        noun = "filter" if isinstance(node, nodes.Filter) else "test"
        start, end = words[first].offset, words[last].end
        if node.name not in KNOWN[noun]:
            yield unknown(noun, node.name, start, end, KNOWN[noun])
            continue
        if not _fits(noun, node):
            what = f"the {noun} '{node.name}' does not take these arguments"
            yield Problem(what, "bad-arguments", start, end, f"write it as {_usage(noun, node.name)}")
        yield from _inner(node, words[last + 1 :])


def _in_order(node: nodes.Node) -> Iterator[nodes.Filter | nodes.Test]:
    """The filters and tests below `node` as they stand in the text."""
    if isinstance(node, nodes.Filter | nodes.Test):
        if node.node is not None:
            yield from _in_order(node.node)
        yield node
        below = list(node.iter_child_nodes(exclude=("node",)))
    elif isinstance(node, nodes.CondExpr):
        below = [child for child in (node.expr1, node.test, node.expr2) if child is not None]
    else:
        below = list(node.iter_child_nodes())
    for child in below:
        yield from _in_order(child)


def _places(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """First and last word of each name of a filter or test: one with dots is several words."""
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        is_test = word.kind == TOKEN_NAME and word.value == "is" and words[max(index - 2, 0)].value != "."
        if not is_test and word.value != "|":
            continue
        if is_test and words[index].value == "not":
            index += 1
        first = index
        while index + 2 < len(words) and words[index + 1].value == "." and words[index + 2].kind == TOKEN_NAME:
            index += 2
        yield first, index
        index += 1


def _inner(node: nodes.Filter | nodes.Test, after: Sequence[Word]) -> Iterator[Problem]:
    """What is wrong with the name that `map('upper')` gives."""
    position, noun = APPLIED.get(node.name, (0, "")) if isinstance(node, nodes.Filter) else (0, "")
    if not noun or len(node.args) <= position:
        return
    given = node.args[position]
    name = given.value if isinstance(given, nodes.Const) else None
    if isinstance(name, str) and name not in KNOWN[noun]:
        word = next((word for word in after if word.kind == TOKEN_STRING and word.name == name), after[0])
        yield unknown(noun, name, word.offset, word.end, KNOWN[noun])


def _fits(noun: str, node: nodes.Filter | nodes.Test) -> bool:
    signature = _signature(noun, node.name)
    if signature is None or node.dyn_args is not None or node.dyn_kwargs is not None:
        return True
    try:
        signature.bind(None, *node.args, **{str(pair.key): None for pair in node.kwargs})
    except TypeError:
        return False
    return True


def _usage(noun: str, name: str) -> str:
    signature = _signature(noun, name)
    parameters = list(signature.parameters.values())[1:] if signature else []
    shown = ", ".join(
        p.name if p.default is p.empty or p.kind is p.VAR_POSITIONAL else f"[{p.name}]" for p in parameters
    )
    return f"{name}({shown})" if shown else name


@cache
def _signature(noun: str, name: str) -> inspect.Signature | None:
    """The parameters of a filter or test, without what Jinja2 hands over itself; None when it does not tell."""
    known = cast("Mapping[str, Any]", sandbox().filters if noun == "filter" else sandbox().tests)
    try:
        signature = inspect.signature(known[name])
    except ValueError:
        return None
    kept = [p for p in signature.parameters.values() if p.name not in ("environment", "context", "eval_ctx")]
    return inspect.Signature([p.replace(annotation=p.empty) for p in kept])
