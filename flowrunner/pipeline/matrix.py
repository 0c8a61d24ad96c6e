"""The combinations of a matrix."""

from __future__ import annotations

from collections.abc import Mapping as Map
from itertools import product
from typing import Any

from flowrunner.errors import FlowrunnerError, PipelineError, near
from flowrunner.expressions import Expression
from flowrunner.expressions.names import Names
from flowrunner.model import Type
from flowrunner.pipeline.devices import waits
from flowrunner.pipeline.explain import given
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import NAMING, is_name
from flowrunner.pipeline.outputs import type_of_value
from flowrunner.source import Mapping, Node, Scalar, Sequence, plain

MOST = 1000
"""Combinations that one matrix may have."""

WORDS = ("include", "exclude")

UNKNOWN = object()
"""The value of an expression that uses an input without a value."""

Values = Map[str, Any]
Axes = Map[str, list[Any] | None]


def read_matrix(here: Here, node: Node | None) -> tuple[tuple[Values, ...], Names]:
    """The combinations, in the order of their declaration, and the types of their values by name."""
    if not isinstance(node, Mapping):
        return (), {}
    before = len(here.problems)
    axes: dict[str, list[Any] | None] = {}
    for key, value in node.entries:
        name = str(key.value)
        if name not in WORDS:
            if not is_name(name):
                here.problems.add(f"'{name}' cannot be a name", code="bad-name", where=key.where, help=NAMING)
            axes[name] = _axis(here, key, value)
    excluded, included = (_mappings(here, node, word) for word in WORDS[::-1])
    for position, one in enumerate(excluded):
        _check_excluded(here, node, axes, one, position)
    if len(here.problems) > before or None in axes.values():
        return (), dict.fromkeys({**axes, **{n: None for one in included for n in one}}, "any")
    found = combinations({name: values or [] for name, values in axes.items()}, included, excluded)
    if not found or len(found) > MOST:
        what = f"this matrix has {len(found)} combinations" if found else "this matrix has no combination"
        advice = f"it may have {MOST}" if found else "give it values, or exclude less"
        here.problems.add(what, code="bad-value", where=node.where, help=advice)
    return tuple(found), _types(found)


def _check_excluded(here: Here, node: Mapping, axes: Axes, one: Values, position: int) -> None:
    """An `exclude` takes something out: each of its values is in the list of that name, as far as that is written."""
    listed = node.get("exclude")
    place = listed.items[position] if isinstance(listed, Sequence) else node
    for name, value in one.items():
        where = (place.get(name) or place).where if isinstance(place, Mapping) else place.where
        values = axes.get(name)
        if name not in axes:
            what, advice = f"the matrix has no '{name}' to exclude", f"it has {', '.join(axes) or 'no values'}"
            here.problems.add(what, code="unknown-matrix", where=place.where, help=advice)
        elif isinstance(node.get(name), Sequence) and values and not any(_same(value, other) for other in values):
            what, advice = (
                f"'{name}' is never {given(value)}, so there is nothing to exclude",
                near(str(value), map(str, values)),
            )
            here.problems.add(what, code="unknown-matrix", where=where, help=advice)


def combinations(axes: Map[str, list[Any]], include: list[Values], exclude: list[Values]) -> list[Values]:
    """All combinations of the axes without those that are excluded, and with what is included, as GitHub has it.

    An included mapping adds its values to each combination of which it changes no value of the axes; one that fits none
    becomes a combination of its own. A name that a combination has not is None in it.
    """
    base: list[dict[str, Any]] = (
        [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    )
    base = [one for one in base if not any(all(_same(one[k], v) for k, v in gone.items()) for gone in exclude)]
    found, alone = [dict(one) for one in base], list[dict[str, Any]]()
    for more in include:
        fitting = [
            whole
            for one, whole in zip(base, found, strict=True)
            if all(name not in one or _same(one[name], value) for name, value in more.items())
        ]
        for whole in fitting:
            whole.update(more)
        if not fitting:
            alone.append(dict(more))
    names = dict.fromkeys(name for one in (*found, *alone) for name in one)
    return [{name: one.get(name) for name in names} for one in (*found, *alone)]


def _same(left: Any, right: Any) -> bool:
    """Whether two values are the same in YAML: true is not 1."""
    return type(left) is type(right) and bool(left == right)


def _types(found: list[Values]) -> Names:
    types: dict[str, Type] = {}
    for one in found:
        for name, value in one.items():
            kind = type_of_value(value)
            types[name] = kind if types.get(name, kind) == kind else "any"
    return types


def _axis(here: Here, key: Scalar, node: Node) -> list[Any] | None:
    """The values of one name: a list, or an expression that is one; None when it is not known yet."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and "${{" in node.value:
        value = _evaluated(here, node)
        if value is None or value is UNKNOWN:
            return None
    else:
        value = plain(node)
    if not isinstance(value, list) or not value:
        what, advice = f"'{key.value}' needs a list of values that is not empty", f"write it as {key.value}: [a, b]"
        here.problems.add(what, code="wrong-type", where=node.where, help=advice)
        return []
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar) and isinstance(item.value, str) and "${{" in item.value:
            what, advice = "a value in a matrix is fixed", "write the whole list as one expression"
            here.problems.add(what, code="fixed", where=item.where, help=advice)
    return value


def _evaluated(here: Here, node: Scalar) -> Any:
    """The value of an expression that is known now; None when it is none, which is noted, or unknown yet."""
    expression = here.read()(node, ())
    if not isinstance(expression, Expression):
        return None
    outside = [(name, where) for name, where in expression.references if name.split(".")[0] not in here.fixed]
    for name, where in outside:
        what = f"a matrix is resolved before the run, so it cannot use '{name.split('.')[0]}'"
        here.problems.add(what, code="fixed", where=where, help="use " + " or ".join(here.fixed))
    if outside:
        return None
    if waits(expression, here.fixed):
        return UNKNOWN
    try:
        return expression.evaluate(here.fixed)
    except PipelineError as error:
        here.problems.take(error)
    except FlowrunnerError as error:
        here.problems.add(error.what, code="bad-expression", where=expression.where, help=error.help)
    return None


def _mappings(here: Here, node: Mapping, word: str) -> list[Values]:
    """The list of mappings under `include` or `exclude`."""
    listed = node.get(word)
    if listed is None:
        return []
    found = []
    for item in listed.items if isinstance(listed, Sequence) else (listed,):
        if isinstance(listed, Sequence) and isinstance(item, Mapping):
            found.append(plain(item))
            for key, _ in item.entries:
                if not is_name(str(key.value)):
                    here.problems.add(f"'{key.value}' cannot be a name", code="bad-name", where=key.where, help=NAMING)
        else:
            what, advice = f"{word} needs a list of mappings", f"write it as {word}: [{{board: a, storage: sd}}]"
            here.problems.add(what, code="wrong-type", where=item.where, help=advice)
    return found
