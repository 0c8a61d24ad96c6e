"""`rollout`: a job for each device of a fleet, wave by wave."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence as Items
from dataclasses import replace
from typing import Any

from flowrunner.errors import Span, near
from flowrunner.expressions import Expression
from flowrunner.pipeline.actions import take_apart
from flowrunner.pipeline.call import compile_call
from flowrunner.pipeline.devices import count_of, resolve_selector
from flowrunner.pipeline.fit import Fitted
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import collect_ids
from flowrunner.pipeline.names import COUNTED, FLEET, WAVE, Known
from flowrunner.pipeline.plan import Block, Rollout, Scope, Unavailable, Wave
from flowrunner.pipeline.rollout_keys import RollbackKeys, RolloutKeys, Share, WaveKeys, percent
from flowrunner.pipeline.scope import Entries, compile_scope
from flowrunner.source import Mapping, Node, Scalar, Sequence

SEEN = {"wave": WAVE, "fleet": FLEET}
"""What the steps of a device see."""

COUNTING = {"wave": {**WAVE, **COUNTED}, "fleet": {**FLEET, **COUNTED}}
"""What conditions and gates see: how many devices ended how."""


def compile_rollout(here: Here, node: Node, entries: Entries, anchor: Span) -> Rollout | None:
    """The rollout that `node` describes, of a job whose keys of a scope are `entries`; None when it is no good."""
    if not isinstance(node, Mapping):
        return None  # the model of the strategy says so
    counting = here.seeing(**COUNTING)
    keys = counting.fit(RolloutKeys, node, "the rollout", anchor=node.where)
    role = _role(here, entries, anchor)
    waves = _waves(here, node.get("waves"), _approved(here, keys))
    _check_names(here, keys, waves)
    rollback, conditions = _rollback(here, keys, node, entries), _conditions(here, keys)
    if keys.model is None or role is None:
        return None
    rollout = Rollout(
        role=role, fleet=_fleet(here, node), waves=tuple(waves), max_parallel=keys.get("max_parallel"),
        unavailable=_unavailable(keys), halt_when=conditions, on_halt=keys.get("on_halt"),
        where=node.where,
    )  # fmt: skip
    if rollback is None:
        return rollout
    return replace(rollout, rollback=replace(rollback, scope=with_fleet(rollback.scope, rollout)))


def with_fleet(scope: Scope, rollout: Rollout | None) -> Scope:
    """`scope` with the fleet's selector at the role that a member fills."""
    if rollout is None:
        return scope
    devices = (replace(one, selector=rollout.fleet) if one.role == rollout.role else one for one in scope.devices)
    return replace(scope, devices=tuple(devices))


def _fleet(here: Here, node: Mapping) -> str:
    fleet = node.get("fleet")
    given = fleet.get("selector") if isinstance(fleet, Mapping) else None
    if not isinstance(given, Scalar) or "${{" not in str(given.value):
        return str(given.value) if isinstance(given, Scalar) else ""
    expression = here.read()(given, ())
    return str(resolve_selector(here.problems, expression, here.fixed, ())) if expression else ""


def _role(here: Here, entries: Entries, anchor: Span) -> str | None:
    """The one role that has no selector of its own: a member of the fleet fills it."""
    key, devices = entries.get("devices", (None, None))
    roles = devices.entries if isinstance(devices, Mapping) else ()
    open_ = [str(k.value) for k, v in roles if isinstance(v, Mapping) and v.get("selector") is None]
    if len(open_) == 1:
        value = next(v for k, v in roles if k.value == open_[0])
        if count_of(value) is None:
            return open_[0]
        what, advice = "a rollout takes the devices of its fleet one by one", "leave out count"
        here.problems.add(what, code="bad-rollout", where=value.where, help=advice)
        return None
    what = "a rollout needs one device without a selector: the fleet fills it"
    if open_:
        what = f"the fleet fills one device, and {' and '.join(open_)} have no selector"
    advice = "write it as devices: {gw: {requires: [console]}}"
    here.problems.add(what, code="bad-rollout", where=key.where if key else anchor, help=advice)
    return None


def _waves(here: Here, node: Node | None, approved: Map[str, Span]) -> list[Wave]:
    found: list[Wave] = []
    places: list[Span] = []
    if isinstance(node, Sequence) and not node.items:
        here.problems.add("there is no wave here", code="bad-rollout", where=node.where, help="add one")
    for item in node.items if isinstance(node, Sequence) else ():
        if not isinstance(item, Mapping):
            what, advice = "a wave is a mapping with a name and a size", "write it as {name: canary, size: 3}"
            here.problems.add(what, code="wrong-type", where=item.where, help=advice)
            continue
        keys = here.fit(WaveKeys, item, "a wave")
        name = str(keys.values.get("name"))
        share: Share = keys.get("size") if keys.model else 1
        wave = Wave(
            name=name, size=share if isinstance(share, int) else None, percent=percent(share), soak=keys.get("soak"),
            gate=_gate(here, name, item.key("gate"), item.get("gate")), approve=name in approved,
        )  # fmt: skip
        if keys.model is None:
            continue
        found.append(wave)
        places.append(keys.places.get(("size",), item.where))
    if isinstance(node, Sequence) and len(found) == len(node.items):
        _check_sizes(here, found, places)
    return found


def _gate(here: Here, wave: str, key: Scalar | None, steps: Node | None) -> Block | None:
    """The steps behind a wave, which have names and ids of their own."""
    if key is None or steps is None:
        return None
    whole = Mapping(((Scalar("steps", key.where, "steps", plain=True), steps),), key.where)
    known = Known(here.known.inputs, here.known.secrets, collect_ids(here.problems, whole))
    inside = replace(here.seeing(**COUNTING), known=known).at("gate").at(wave)
    scope = compile_scope(inside, {}, steps, key.where)
    return Block(action="group", path=inside.path, id=None, name=f"gate of {wave}", where=key.where, scope=scope)


def _check_sizes(here: Here, waves: Items[Wave], places: Items[Span]) -> None:
    """Each wave goes further than those before it, and the last one to the end."""
    done = 0.0
    for number, (wave, where) in enumerate(zip(waves, places, strict=True)):
        if wave.name in [other.name for other in waves[:number]]:
            here.problems.add(f"two waves are called '{wave.name}'", code="bad-rollout", where=where)
        if done == 100:
            what = f"nothing is left for '{wave.name}': the waves before it are the whole fleet"
            here.problems.add(what, code="bad-rollout", where=where, help="leave it out, or make those smaller")
            return
        if wave.percent is not None and wave.percent <= done:
            what = f"'{wave.name}' ends at {wave.percent:g}%, and a wave before it at {done:g}% already"
            advice = "a percentage is the part of the fleet that is done behind the wave: 5%, 25%, 100%"
            here.problems.add(what, code="bad-rollout", where=where, help=advice)
        done = wave.percent if wave.percent is not None else done
    if done != 100 and waves:
        what = f"the last wave, '{waves[-1].name}', may leave devices out"
        here.problems.add(what, code="bad-rollout", where=places[-1], help="let it end at 100%, or add one that does")


def _approved(here: Here, keys: Fitted[RolloutKeys]) -> dict[str, Span]:
    listed = keys.values.get("approve")
    found: dict[str, Span] = {}
    for position, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("before"), str):
            found[one["before"]] = keys.places[("approve", position, "before")]
    return found


def _check_names(here: Here, keys: Fitted[RolloutKeys], waves: Items[Wave]) -> None:
    names = [wave.name for wave in waves]
    for name, where in _approved(here, keys).items():
        if name not in names:
            here.problems.add(f"there is no wave '{name}'", code="bad-rollout", where=where, help=near(name, names))


def _unavailable(keys: Fitted[RolloutKeys]) -> Unavailable | None:
    limit = keys.get("max_unavailable")
    if limit is None:
        return None
    count = limit.count if isinstance(limit.count, int) else None
    return Unavailable(count=count, percent=percent(limit.count), label=limit.per)


def _conditions(here: Here, keys: Fitted[RolloutKeys]) -> tuple[Expression, ...]:
    found = []
    listed = keys.values.get("halt_when")
    for position, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, Expression):
            found.append(one)
        elif isinstance(one, bool):
            what, advice = "a condition is an expression", "write it as ${{ wave.failed >= 1 }}"
            here.problems.add(what, code="bad-rollout", where=keys.places[("halt_when", position)], help=advice)
    return tuple(found)


def _rollback(here: Here, keys: Fitted[RolloutKeys], node: Mapping, entries: Entries) -> Block | None:
    given, wanted = node.get("rollback"), keys.values.get("on_halt") == "rollback"
    if given is None or not wanted:
        key = node.key("rollback") or node.key("on_halt")
        if given is not None and key is not None:
            what, advice = "this rollback never happens", "add on_halt: rollback"
            here.problems.add(what, code="bad-rollout", where=key.where, help=advice)
        elif wanted and key is not None:
            what, advice = "on_halt: rollback needs to know how", "add rollback: {template: restore}"
            here.problems.add(what, code="bad-rollout", where=key.where, help=advice)
        return None
    if not isinstance(given, Mapping):
        return None  # the model says so
    here.fit(RollbackKeys, given, "the rollback")
    template, values = given.get("template"), given.get("with")
    if template is None:
        return None
    parts = [(Scalar("call", given.where, "call", plain=True), template)]
    if values is not None:
        parts.append((Scalar("with", values.where, "with", plain=True), values))
    step = take_apart(here.problems, Mapping(tuple(parts), given.where))
    inside = replace(here, known=Known(here.known.inputs, here.known.secrets, {}), path=here.below("rollback"))

    def body(inner: Here) -> tuple[dict[str, Any], Map[str, Any]]:
        call = compile_call(inner, step, 1, lambda steps, place: ()) if step else None
        return {"steps": (call,) if call else ()}, {}

    leased = {name: entry for name, entry in entries.items() if name in ("devices", "queue_timeout")}
    scope = compile_scope(inside.seeing(**SEEN), leased, None, given.where, body)
    return Block(
        action="rollback", path=inside.path, id=None, name=f"rollback of {here.path}", where=given.where,
        scope=scope,
    )  # fmt: skip
