"""A step with an action: its parameters, its device, its kind."""

from __future__ import annotations

from typing import Any

from flowrunner.expressions import Expression
from flowrunner.pipeline.actions import Parts, find_action
from flowrunner.pipeline.common import Between, Common, read_common
from flowrunner.pipeline.fit import Fitted, Fitter
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.marks import key_of
from flowrunner.pipeline.outputs import outputs_of
from flowrunner.pipeline.plan import StepNode
from flowrunner.source import Mapping, Node, Scalar, Sequence
from flowrunner.step import Step


def compile_step(here: Here, parts: Parts, position: int, between: Between) -> StepNode | None:
    """One step; None when its action is no good."""
    action = str(parts.action.value)
    common = read_common(here, parts, position, defaults=True)
    kind = find_action(here.problems, action, parts.action.where)
    if kind is None:
        here.known.give_up(parts.node)
        return None
    return make_step(parts, kind, common, between)


def make_step(parts: Parts, kind: type[Step], common: Common, between: Between) -> StepNode:
    """One step of a known action, with its common keys read."""
    here, action = common.here, str(parts.action.value)
    fitted = _parameters(common.inner, parts, kind)
    node = StepNode(
        action=action, step=kind, values=fitted.values, places=fitted.places,
        kind=common.fitted.get("kind") or kind.kind, interruptible=common.fitted.get("interruptible"),
        device=_device(common, action, kind, fitted), outputs=outputs_of(kind),
        **common.fields(common.id or summary(action, kind, fitted.values), between),
    )  # fmt: skip
    known = here.known
    known.define(common.id, dict.fromkeys(node.outputs, "list") if "foreach" in common.entries else node.outputs)
    return node


def _parameters(here: Here, parts: Parts, kind: type[Step]) -> Fitted[Any]:
    """The parameters of the action, with those that the scopes around give it by default."""
    action, value = str(parts.action.value), parts.value
    own: Node = value
    short = None
    if isinstance(value, Scalar) and value.value is None:
        own = Mapping((), parts.action.where)
    elif isinstance(value, Scalar) and kind.shorthand:
        short = key_of(kind.shorthand, kind.model_fields[kind.shorthand])
        own = Mapping(((Scalar(short, parts.action.where, short, plain=True), value),), value.where)
    if not isinstance(own, Mapping):
        _no_mapping(here, parts, kind)
        return Fitted(kind, None, {}, {})
    given = {str(key.value) for key, _ in own.entries}
    filled = (entry for name, entry in here.defaults.actions.get(action, {}).items() if name not in given)
    node = Mapping((*own.entries, *filled), own.where)
    anchor = parts.action.where
    fitter = Fitter(
        here.problems, kind, node, here.read(), label=action, anchor=anchor, short=short, dynamic=True
    )  # fmt: skip
    return fitter.fit()


def _no_mapping(here: Here, parts: Parts, kind: type[Step]) -> None:
    action, fields = str(parts.action.value), kind.model_fields
    names = [key_of(name, field) for name, field in fields.items()]
    short = f"the {kind.shorthand} as text or " if kind.shorthand else ""
    got = "a list" if isinstance(parts.value, Sequence) else f"'{getattr(parts.value, 'text', '')}'"
    advice = f"its keys are {', '.join(names)}" if names else "it has no keys"
    if isinstance(parts.value, Sequence):
        advice += "; for several of them make a step of each"
    what = f"{action} needs {short}a mapping, got {got}"
    here.problems.add(what, code="wrong-type", where=parts.value.where, help=advice)


def _device(common: Common, action: str, kind: type[Step], fitted: Fitted[Any]) -> str | None:
    entry = common.entries.get("device")
    given = common.fitted.values.get("device")
    given = given if isinstance(given, str) else None
    wanted = kind.wants(fitted.values)
    if wanted:
        return common.here.device(given, common.place("device"), f"'{action}'", *wanted)
    own = entry is not None and entry not in common.here.defaults.common.values()
    if own and given is not None:
        common.here.problems.add(
            f"'{action}' works on no device", code="needless-device", where=common.place("device"),
            help="leave out device",
        )  # fmt: skip
    return None


def summary(action: str, kind: type[Step], values: dict[str, Any]) -> str:
    """What people read of a step without a name: the action, and its main parameter when that is short and plain."""
    value = values.get(kind.shorthand) if kind.shorthand else None
    plain = value is not None and not isinstance(value, Expression | dict | list)
    text = " ".join(str(value).split())
    return f"{action} {text}" if plain and text and len(text) <= 40 else action
