"""Defaults: what the steps of a scope have unless they say otherwise. The nearest scope wins, per key."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from flowrunner.errors import Span, near
from flowrunner.pipeline.actions import find_action, is_action
from flowrunner.pipeline.fit import Fitter, Read
from flowrunner.pipeline.language import DefaultKeys
from flowrunner.pipeline.problems import Problems
from flowrunner.plugins import types
from flowrunner.source import Mapping, Node, Scalar

Entry = tuple[Scalar, Node]


@dataclass(frozen=True, slots=True)
class Defaults:
    """The entries that steps take over: of the keys that all have, and of the parameters of each action."""

    common: Map[str, Entry] = field(default_factory=dict)
    actions: Map[str, Map[str, Entry]] = field(default_factory=dict)

    def below(self, nearer: Defaults) -> Defaults:
        """These, with those of a scope inside."""
        actions = {name: {**self.actions.get(name, {}), **entries} for name, entries in nearer.actions.items()}
        return Defaults({**self.common, **nearer.common}, {**self.actions, **actions})


def read_defaults(problems: Problems, node: Node | None, anchor: Span, read: Read) -> Defaults:
    """Check the defaults of one scope. Expressions in them see what is known where the scope begins."""
    if not isinstance(node, Mapping):
        return Defaults()
    common = tuple(entry for entry in node.entries if not is_action(str(entry[0].value)))
    known = set(DefaultKeys.model_fields)
    for key, _ in common:
        if key.value not in known:
            problems.add(
                f"defaults have no key '{key.value}'", code="unknown-key", where=key.where,
                help=near(str(key.value), known | set(types("flowrunner.steps"))),
            )  # fmt: skip
    common = tuple(entry for entry in common if entry[0].value in known)
    Fitter(problems, DefaultKeys, Mapping(common, node.where), read, label="defaults", anchor=anchor).fit()
    actions = {}
    for key, value in node.entries:
        if is_action(str(key.value)):
            actions[str(key.value)] = _parameters(problems, key, value, read)
    return Defaults({str(key.value): (key, value) for key, value in common}, actions)


def _parameters(problems: Problems, key: Scalar, value: Node, read: Read) -> Map[str, Entry]:
    action = str(key.value)
    kind = find_action(problems, action, key.where)
    if not isinstance(value, Mapping):
        what = f"the defaults of {action} need a mapping with some of its keys"
        problems.add(what, code="wrong-type", where=value.where)
        return {}
    if kind is None:
        return {}
    Fitter(problems, kind, value, read, label=action, anchor=key.where, dynamic=True, partial=True).fit()
    return {str(name.value): (name, item) for name, item in value.entries}
