"""`on`: one step for several devices. It becomes a group of steps, or branches, with one for each."""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from dataclasses import replace
from typing import Any

from flowrunner.model import Type
from flowrunner.pipeline.actions import Parts, find_action
from flowrunner.pipeline.common import NOT_FOR_BLOCKS, Between, Common, read_block
from flowrunner.pipeline.devices import group_of
from flowrunner.pipeline.explain import given
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.language import CommonKeys
from flowrunner.pipeline.plan import Block, Scope, StepNode
from flowrunner.pipeline.steps import compile_step, summary
from flowrunner.source import Mapping, Node, Scalar, Sequence

OF_EACH = (NOT_FOR_BLOCKS | {"timeout", "retry"}) - {"on"}
"""The keys that each of the steps has; the others are those of the whole."""


def compile_on(here: Here, parts: Parts, position: int, between: Between) -> Block | None:
    """The block that a step with `on` is; None when that is no good."""
    targets, together = _targets(here, parts)
    kind = find_action(here.problems, str(parts.action.value), parts.action.where)
    if not targets or kind is None or not _makes_sense(here, parts, targets, together=together, works=kind.interfaces):
        here.known.give_up(parts.node)
        return None
    around = {name: here.defaults.common[name] for name in ("on_failure",) if name in here.defaults.common}
    own = {**around, **{name: entry for name, entry in parts.common.items() if name not in OF_EACH | {"on"}}}
    common = read_block(here, replace(parts, common=own), position, "")
    steps = [step for target in targets if (step := _one(common, parts, target, between))]
    if len(steps) < len(targets):
        here.known.give_up(parts.node)
        return None
    outputs = _outputs(common, steps, targets)
    known: dict[str, Type] = dict.fromkeys(outputs, "list" if "foreach" in common.entries else "map")
    here.known.define(common.id, known)
    names = [str(target.value) for target in targets]
    what = common.fitted.get("name") or summary(steps[0].action, steps[0].step, dict(steps[0].values))
    fields = common.fields(common.id or f"{what} on {', '.join(names)}", between)
    steps = [replace(step, name=f"{what} on {name}") for step, name in zip(steps, names, strict=True)]
    scope = Scope(steps=tuple(steps), outputs=outputs)
    if together:
        branches = [
            Block(action="branch", path=step.path, id=None, name=name, where=target.where,
                  scope=Scope(steps=(replace(step, path=f"{step.path}.{step.action.replace('.', '_')}1"),)))
            for step, name, target in zip(steps, names, targets, strict=True)
        ]  # fmt: skip
        scope = Scope(branches=tuple(branches), fail_fast=False, outputs=outputs)
    return Block(action="parallel" if together else "group", scope=scope, **fields)


def _targets(here: Here, parts: Parts) -> tuple[list[Scalar], bool]:
    """The devices as they are written, none of them when that is wrong, and whether they are used at once."""
    (key, value), before = parts.common["on"], len(here.problems)
    if isinstance(value, Scalar) and _members(here, value) != [value]:
        return _members(here, value), False
    if isinstance(value, Scalar):
        what = f"on needs a list of devices{f', got {given(value.value)}' if value.value is not None else ''}"
        advice = f"write it as on: [{'dut, ap' if value.value is None else value.text}]"
        here.problems.add(what, code="wrong-type", where=value.where, help=advice)
    else:
        here.fit(CommonKeys, Mapping(((key, value),), value.where), "a step", anchor=key.where)
    listed = value.get("together") if isinstance(value, Mapping) else value
    items = listed.items if isinstance(listed, Sequence) and len(here.problems) == before else ()
    found = [member for item in items if isinstance(item, Scalar) for member in _members(here, item)]
    return found, isinstance(value, Mapping)


def _members(here: Here, target: Scalar) -> list[Scalar]:
    """The devices that `target` stands for: several for a role with a count, or for a part of it."""
    name, dot, part = str(target.value).partition(".")
    paths = [f"{member}{dot}{part}" for member in group_of(here.roles, name)]
    return [Scalar(path, target.where, path, plain=True) for path in paths] or [target]


def _makes_sense(here: Here, parts: Parts, targets: list[Scalar], *, together: bool, works: Any) -> bool:
    """Whether the devices fit each other and the other keys; what is wrong is noted."""
    key, before, problems = parts.common["on"][0], len(here.problems), here.problems
    if not works:
        what = f"'{parts.action.value}' works on no device"
        problems.add(what, code="needless-device", where=key.where, help="leave out on")
    if "device" in parts.common:
        where = parts.common["device"][0].where
        problems.add("a step has device or on, not both", code="unknown-key", where=where, help="leave one of them out")
    for number, target in enumerate(targets):
        if target.value in [one.value for one in targets[:number]]:
            problems.add(f"'{target.value}' is named twice", code="bad-value", where=target.where, help="name it once")
    roles = [str(target.value).partition(".")[0] for target in targets]
    for number, role in enumerate(roles if together else ()):
        if role in roles[:number]:
            what = f"two parts of '{role}' cannot be used at once"
            advice = "list them right behind on: it is one after the other then"
            problems.add(what, code="race", where=targets[number].where, help=advice)
    return len(problems) == before


def _one(common: Common, parts: Parts, target: Scalar, between: Between) -> StepNode | None:
    """The step for one device; where the whole has an id it gets one too, by which its outputs are found."""
    device = target.value
    word = re.sub(r"\W", "_", str(device))
    keys: dict[str, tuple[Scalar, Node]] = {n: entry for n, entry in parts.common.items() if n in OF_EACH}
    keys["device"] = Scalar("device", target.where, "device", plain=True), target
    if "on_failure" in common.entries:
        keys["on_failure"] = common.entries["on_failure"]
    known = common.here.known
    if common.id is not None:
        id = f"{common.id}_{word}"
        while id in known.ids:
            id += "_"
        known.ids = {**known.ids, id: target.where}
        keys["id"] = Scalar("id", target.where, "id", plain=True), Scalar(id, target.where, id, plain=True)
    return compile_step(common.inner, replace(parts, common=keys, part=word), 1, between)


def _outputs(common: Common, steps: list[StepNode], targets: list[Scalar]) -> Map[str, Any]:
    """For each output a mapping by device."""
    if common.id is None:
        return {}
    read, found = common.inner.read(), dict[str, Any]()
    for name in steps[0].outputs:
        found[name] = {}
        for step, target in zip(steps, targets, strict=True):
            text = f"${{{{ steps.{step.id}.outputs.{name} }}}}"
            found[name][str(target.value)] = read(Scalar(text, target.where, text, plain=True), ())
    return found
