"""Which key of a step is its action."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from difflib import get_close_matches

from flowrunner.errors import FlowrunnerError, Span, near
from flowrunner.pipeline.language import CommonKeys, ScopeKeys
from flowrunner.pipeline.marks import key_of
from flowrunner.pipeline.problems import Problems
from flowrunner.plugins import load, types
from flowrunner.source import Mapping, Node, Scalar, Sequence
from flowrunner.step import Step

BLOCKS = frozenset({"group", "lease", "background", "call", "parallel", "barrier"})

COMMON = frozenset(key_of(name, field) for name, field in CommonKeys.model_fields.items())
SCOPE = frozenset(key_of(name, field) for name, field in ScopeKeys.model_fields.items())

BESIDE: Map[str, frozenset[str]] = {
    **dict.fromkeys(("group", "lease", "parallel"), SCOPE - COMMON | {"timeout"}),
    "call": frozenset({"with", "devices"}),
}
"""The keys that stand beside a block's action, and beside no other."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A step taken apart: its action, the keys that all steps have, and those of a scope.

    `part` is what it is called in paths, where neither its id nor its action and position is to be.
    """

    node: Mapping
    action: Scalar
    value: Node
    common: Map[str, tuple[Scalar, Node]]
    scope: Map[str, tuple[Scalar, Node]]
    part: str | None = None


def is_action(name: str) -> bool:
    """Whether an action is called so; nothing is imported to find out."""
    return name in types("flowrunner.steps")


def find_action(problems: Problems, name: str, where: Span) -> type[Step] | None:
    """The class of an action; None when its code is no good, which is noted."""
    try:
        return load("flowrunner.steps", Step, name)
    except FlowrunnerError as error:
        problems.add(error.what, code="broken-action", where=where, help=error.help)
        return None


def take_apart(problems: Problems, node: Node) -> Parts | None:
    """Sort the keys of a step; None when it has not exactly one action, which is noted."""
    if not isinstance(node, Mapping):
        _not_a_step(problems, node)
        return None
    names = [(str(key.value), key, value) for key, value in node.entries]
    actions = [(key, value) for name, key, value in names if name in BLOCKS or is_action(name)]
    scope = BESIDE.get(str(actions[0][0].value), frozenset()) if actions else frozenset()
    known = COMMON | scope
    unknown = [key for name, key, _ in names if name not in known | BLOCKS and not is_action(name)]
    for key, _ in actions[1:]:
        problems.add(
            f"a step has exactly one action, this one has '{actions[0][0].value}' and '{key.value}'",
            code="two-actions", where=key.where, help="make two steps of it, or a group",
        )  # fmt: skip
    for key in unknown:
        _unknown_key(problems, key, actions[0][0] if actions else None)
    if not actions and not unknown:
        advice = "add one, such as power, expect or shell: 'flow actions' lists them"
        problems.add("this step has no action", code="no-action", where=node.where, help=advice)
    if len(actions) != 1:
        return None
    return Parts(
        node, *actions[0],
        common={name: (key, value) for name, key, value in names if name in COMMON},
        scope={name: (key, value) for name, key, value in names if name in scope},
    )  # fmt: skip


def _unknown_key(problems: Problems, key: Scalar, action: Scalar | None) -> None:
    name = str(key.value)
    actions = {*types("flowrunner.steps"), *BLOCKS}
    if action is None:
        advice = near(name, actions | COMMON if get_close_matches(name, COMMON) else actions)
        problems.add(f"there is no action '{name}'", code="unknown-action", where=key.where, help=advice)
        return
    advice = near(name, COMMON | actions)
    if name in SCOPE or name == "with":
        advice = "only call has it" if name == "with" else "only group and lease have it: put the step into a group"
    elif is_action(str(action.value)):
        kind = find_action(problems, str(action.value), action.where)
        if kind and name in {key_of(field, info) for field, info in kind.model_fields.items()}:
            advice = f"it is a key of {action.value}: {action.value}: {{{name}: ...}}"
    problems.add(f"a step has no key '{name}'", code="unknown-key", where=key.where, help=advice)


def _not_a_step(problems: Problems, node: Node) -> None:
    if isinstance(node, Sequence):
        what, advice = "a step is a mapping with one action, got a list", "to put steps together write 'group: [...]'"
    elif (
        isinstance(node, Scalar)
        and isinstance(node.value, str)
        and is_action(node.value.split()[0] if node.value.split() else "")
    ):
        what = f"a step is a mapping with one action, got the text '{node.text}'"
        advice = f"write it as '{node.value.split()[0]}: ...'"
    else:
        what, advice = (
            "a step is a mapping with one action",
            "write it as 'power: cycle', 'expect: \"login: \"' or such",
        )
    problems.add(what, code="no-action", where=node.where, help=advice)
