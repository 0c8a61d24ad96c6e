"""A scope: its devices, its defaults, its steps, and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import replace
from typing import Any, cast

from flowrunner.errors import Span
from flowrunner.expressions.names import Names
from flowrunner.interfaces.console import Console
from flowrunner.model import Type
from flowrunner.pipeline import plan
from flowrunner.pipeline.actions import Parts, take_apart
from flowrunner.pipeline.background import compile_background
from flowrunner.pipeline.branches import compile_branches
from flowrunner.pipeline.call import compile_call
from flowrunner.pipeline.common import read_block
from flowrunner.pipeline.defaults import read_defaults
from flowrunner.pipeline.devices import declare_roles, request_devices
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import NAMING, is_name
from flowrunner.pipeline.language import ScopeKeys, WatchKeys
from flowrunner.pipeline.names import FAILURE
from flowrunner.pipeline.on import compile_on
from flowrunner.pipeline.outputs import type_of_value
from flowrunner.pipeline.steps import compile_step
from flowrunner.source import Mapping, Node, Scalar, Sequence

Entries = Map[str, tuple[Scalar, Node]]


Body = Callable[[Here], tuple[dict[str, Any], Names]]
"""Compiles a body that is no list of steps: fields of the scope, and names that are known behind it."""


def compile_scope(
    here: Here, entries: Entries, steps: Node | None, anchor: Span, body: Body | None = None
) -> plan.Scope:
    """A scope from its keys and the list of its steps, or from another kind of `body`."""
    early = Mapping(tuple(entry for name, entry in entries.items() if name != "outputs"), anchor)
    keys = here.fit(ScopeKeys, early, "the scope", anchor=anchor)
    devices = _value(entries, "devices")
    inner = replace(here, roles=declare_roles(here.problems, devices, here.roles))
    defaults = read_defaults(here.problems, _value(entries, "defaults"), anchor, inner.read())
    inner = replace(inner, defaults=here.defaults.below(defaults))
    watch = _watch(inner, _value(entries, "watch"))
    fields: dict[str, Any] = {}
    if body:
        fields, known = body(inner)
        inner = inner.seeing(**known)
    else:
        fields["steps"] = compile_sequence(inner, steps)
    if isinstance(steps, Sequence) and not steps.items:
        here.problems.add("there is no step here", code="no-steps", where=steps.where, help="add one")
    rescue = compile_sequence(inner.at("rescue").seeing(failure=FAILURE), _value(entries, "rescue"))
    last = compile_sequence(inner.at("finally"), _value(entries, "finally"))
    outputs = _outputs(inner, entries, anchor)
    return plan.Scope(
        devices=request_devices(here.problems, devices, inner.roles, here.read(), here.fixed, here.late), watch=watch,
        rescue=rescue, last=last, outputs=outputs, timeout=keys.get("timeout"),
        finally_timeout=keys.get("finally_timeout"), queue_timeout=keys.get("queue_timeout"), **fields,
    )  # fmt: skip


def compile_sequence(here: Here, steps: Node | None) -> tuple[plan.Node, ...]:
    """The steps of a list, in order."""
    return compile_steps(here, list(enumerate(steps.items if isinstance(steps, Sequence) else (), 1)))


def compile_steps(here: Here, steps: list[tuple[int, Node]]) -> tuple[plan.Node, ...]:
    """Some steps with their positions in their list."""
    found = []
    for position, node in steps:
        parts = take_apart(here.problems, node)
        if parts is None:
            here.known.give_up(node)
            continue
        compiled = _compile(here, parts, position)
        if compiled:
            found.append(compiled)
    return tuple(found)


def _compile(here: Here, parts: Parts, position: int) -> plan.Node | None:
    match parts.action.value:
        case "group" | "lease" | "parallel":
            return _block(here, parts, position)
        case "barrier":
            what, advice = "a barrier stands right in a branch of parallel", "anywhere else some path could skip it"
            here.problems.add(what, code="bad-barrier", where=parts.action.where, help=advice)
            here.known.give_up(parts.node)
            return None
        case "background":
            return compile_background(here, parts, position)
        case "call":
            return compile_call(here, parts, position, _between)
        case _:
            compiler = compile_on if "on" in parts.common else compile_step
            return compiler(here, parts, position, _between)


def _between(steps: Node, here: Here) -> tuple[plan.Node, ...]:
    return compile_sequence(here, steps)


def _block(here: Here, parts: Parts, position: int) -> plan.Block:
    """`group` or `lease`: steps with keys of a scope beside them."""
    action = str(parts.action.value)
    entries, steps = _scope_of(here, parts)
    body: Body | None = None
    if action == "parallel":
        value = parts.value
        body = lambda inner: compile_branches(inner, value, parts.action.where, compile_steps)  # noqa: E731
    common = read_block(here, parts, position, "give it to the steps inside: defaults: {{{key}: ...}}")
    before = here.known.defined()
    scope = compile_scope(common.inner, entries, steps, parts.action.where, body)
    types: dict[str, Type] = {name: type_of_value(value) for name, value in scope.outputs.items()}
    fields = common.fields(common.id or action, _between)
    here.known.define(common.id, types)
    if "foreach" in common.entries:
        here.known.repeat(before)
    if scope.devices:
        scope, fields["timeout"] = replace(scope, timeout=fields["timeout"]), None
    return plan.Block(action=cast("Any", action), scope=scope, **fields)


def _scope_of(here: Here, parts: Parts) -> tuple[Entries, Node | None]:
    """The keys of the block's scope, and its steps."""
    entries = {name: entry for name, entry in parts.scope.items() if name != "timeout"}
    value, action = parts.value, str(parts.action.value)
    if action == "parallel":
        return entries, None
    if action == "group":
        if not isinstance(value, Sequence):
            advice = "write it as group: [...]; the keys of its scope stand beside it, not in it"
            here.problems.add("group needs a list of steps", code="wrong-type", where=value.where, help=advice)
        return entries, value
    if not isinstance(value, Mapping):
        advice = "write it as lease: {devices: {...}, steps: [...]}"
        here.problems.add(
            "lease needs a mapping with devices and steps", code="wrong-type", where=value.where, help=advice
        )
        return entries, None
    return _lease(here, parts, value, entries)


def _lease(here: Here, parts: Parts, value: Mapping, entries: dict[str, Any]) -> tuple[Entries, Node | None]:
    for key, _ in value.entries:
        if key.value not in ("devices", "steps"):
            advice = "it has devices and steps; the keys of its scope stand beside it, not in it"
            here.problems.add(f"lease has no key '{key.value}'", code="unknown-key", where=key.where, help=advice)
    for name in ("devices", "steps"):
        node = value.get(name)
        kind, noun = (Mapping, "a mapping of roles") if name == "devices" else (Sequence, "a list of steps")
        if node is None:
            what = f"lease needs the key '{name}'"
            here.problems.add(what, code="missing-key", where=parts.action.where, help=f"{name} is {noun}")
        elif not isinstance(node, kind):
            here.problems.add(f"{name} needs {noun}", code="wrong-type", where=node.where)
    if "devices" in entries:
        place = entries.pop("devices")[0].where
        here.problems.add("a lease has its devices inside", code="unknown-key", where=place, help="move them there")
    leased = {str(key.value): (key, node) for key, node in value.entries if key.value == "devices"}
    return {**entries, **leased}, value.get("steps")


def _outputs(here: Here, entries: Entries, anchor: Span) -> Map[str, Any]:
    if "outputs" not in entries:
        return {}
    key, node = entries["outputs"]
    fitted = here.fit(ScopeKeys, Mapping(((key, node),), anchor), "the scope", anchor=anchor)
    for name, _ in node.entries if isinstance(node, Mapping) else ():
        if not is_name(str(name.value)):
            what = f"'{name.value}' cannot be the name of an output"
            here.problems.add(what, code="bad-name", where=name.where, help=NAMING)
    values = fitted.values["outputs"]
    return values if isinstance(values, dict) else {}


def _watch(here: Here, node: Node | None) -> tuple[plan.Watch, ...]:
    found = []
    for item in node.items if isinstance(node, Sequence) else ():
        if not isinstance(item, Mapping):
            advice = "write it as {pattern: 'Kernel panic', outcome: failed}"
            here.problems.add("a watch is a mapping with a pattern", code="wrong-type", where=item.where, help=advice)
            continue
        keys = here.fit(WatchKeys, item, "a watch")
        place = keys.places.get(("device",), item.where)
        device = here.device(keys.get("device"), place, "a watch", Console)
        if keys.get("blame") and keys.get("outcome") == "failed":
            advice = "add outcome: errored, or leave out blame"
            where = keys.places[("blame",)]
            here.problems.add("only what is errored has somebody to blame", code="bad-value", where=where, help=advice)
        pattern = keys.values.get("pattern")
        watch = plan.Watch(
            pattern=str(pattern), outcome=keys.get("outcome"), blame=keys.get("blame"), grace=keys.get("grace"),
            device=device, where=item.where,
        )  # fmt: skip
        found.append(watch)
    return tuple(found)


def _value(entries: Entries, key: str) -> Node | None:
    return entries[key][1] if key in entries else None
