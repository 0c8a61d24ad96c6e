"""Devices: roles, what must fill them, and which of them a step works on."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from flowrunner import interfaces
from flowrunner.errors import FlowrunnerError, PipelineError, Span, near
from flowrunner.expressions import Expression
from flowrunner.interface import Interface
from flowrunner.pipeline.fit import Fitted, Fitter, Read
from flowrunner.pipeline.inputs import entries
from flowrunner.pipeline.language import MOST, DeviceKeys
from flowrunner.pipeline.plan import DeviceRequest
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.reuse_keys import RoleKeys
from flowrunner.source import Mapping, Node, Scalar

Interfaces = tuple[type[Interface], ...]


@dataclass(slots=True)
class Role:
    """A role of a scope, and what the steps below use of it: the first place for each part and interfaces.

    `group` is the name that the role shares with others, which were declared as one with a `count`.
    """

    name: str
    key: Span
    group: str | None = None
    needs: dict[tuple[str, Interfaces], Span] = field(default_factory=dict)


Roles = Map[str, Role]


@cache
def interfaces_by_name() -> Map[str, type[Interface]]:
    """What a device can do, by the word for it."""
    modules = [import_module(f"{interfaces.__name__}.{module.name}") for module in iter_modules(interfaces.__path__)]
    members = [member for module in modules for member in vars(module).values()]
    found = [m for m in members if isinstance(m, type) and issubclass(m, Interface) and "name" in vars(m)]
    return {interface.name: interface for interface in found}


def interface_names() -> frozenset[str]:
    """The words for what a device can do."""
    return frozenset(interfaces_by_name())


def template_roles(problems: Problems, node: Node | None) -> Roles:
    """The roles that a template asks its caller for, with what they must offer."""
    found: dict[str, Role] = {}
    for name, key, value in entries(problems, node, "devices", "what it must offer", "{requires: [console]}"):
        label = f"the device '{name}'"
        fitted = Fitter(problems, RoleKeys, value, lambda scalar, path: None, label=label, anchor=key).fit()
        check_interfaces(problems, fitted, key)
        found[name] = Role(name, key)
        for position, word in enumerate(fitted.get("requires")):
            if word in interfaces_by_name():
                found[name].needs[("", (interfaces_by_name()[word],))] = fitted.places[("requires", position)]
    return found


def check_interfaces(problems: Problems, fitted: Fitted[Any], key: Span) -> None:
    """Note what is required and is no interface."""
    for position, interface in enumerate(fitted.get("requires")):
        if interface not in interface_names():
            place = fitted.places.get(("requires", position), key)
            what = f"there is no interface '{interface}'"
            problems.add(what, code="unknown-interface", where=place, help=near(interface, interface_names()))


def declare_roles(problems: Problems, node: Node | None, around: Roles) -> Roles:
    """The roles that `node` adds to those around it."""
    found: dict[str, Role] = {}
    for key, value in getattr(node, "entries", ()):
        group = str(key.value) if count_of(value) else None
        for name in members(str(key.value), value):
            if first := found.get(name) or around.get(name):
                problems.add(
                    f"the role '{name}' is leased already", code="duplicate-role", where=key.where,
                    help=f"it is declared at {first.key.short}; give this one another name",
                )  # fmt: skip
            found[name] = Role(name, key.where, group)
    return {**around, **found}


def count_of(value: Node) -> int | None:
    """How many devices a role asks for; None when it is one, or when that is no good."""
    node = value.get("count") if isinstance(value, Mapping) else None
    found = node.value if isinstance(node, Scalar) else None
    return found if type(found) is int and 1 <= found <= MOST else None


def members(name: str, value: Node) -> list[str]:
    """The roles that one entry of `devices` declares: `node1`, `node2` for `node` with a count of 2."""
    count = count_of(value)
    return [name] if count is None else [f"{name}{number}" for number in range(1, count + 1)]


def group_of(roles: Roles, name: str) -> list[str]:
    """The roles that were declared as `name` with a count."""
    return [role.name for role in roles.values() if role.group == name]


def request_devices(
    problems: Problems, node: Node | None, roles: Roles, read: Read, known: Map[str, Any], late: Collection[str] = ()
) -> tuple[DeviceRequest, ...]:
    """What to lease for the roles that `node` declares.

    `known` are the names whose values are known now, `late` those that are known before the run. A bare text is the
    selector.
    """
    whole: list[tuple[Scalar, Node]] = []
    for key, value in node.entries if isinstance(node, Mapping) else ():
        short = isinstance(value, Scalar) and isinstance(value.value, str)
        selector = Scalar(value="selector", where=key.where, text="selector", plain=True)
        whole.append((key, Mapping(entries=((selector, value),), where=value.where) if short else value))
    if not isinstance(node, Mapping):
        return ()
    declared = entries(problems, Mapping(tuple(whole), node.where), "devices", "a selector", "{selector: board=virt}")
    return tuple(
        _request(problems, member, key, keys, roles[member], read, known, late)
        for name, key, keys in declared
        for member in members(name, keys)
    )


def _request(
    problems: Problems,
    name: str,
    key: Span,
    node: Mapping,
    role: Role,
    read: Read,
    known: Map[str, Any],
    late: Collection[str],
) -> DeviceRequest:
    fitted = Fitter(problems, DeviceKeys, node, read, label=f"the device '{name}'", anchor=key).fit()
    check_interfaces(problems, fitted, key)
    selector = resolve_selector(problems, fitted.get("selector"), known, late)
    expression = selector if isinstance(selector, Expression) else None
    return DeviceRequest(
        role=name, selector=selector.text if isinstance(selector, Expression) else selector, late=expression,
        requires=tuple(fitted.get("requires")), duration=fitted.get("duration"), safe_state=fitted.get("safe_state"),
        needs=tuple((part, wanted, place) for (part, wanted), place in role.needs.items()), where=key,
    )  # fmt: skip


def resolve_selector(
    problems: Problems, value: str | Expression, known: Map[str, Any], late: Collection[str]
) -> str | Expression:
    """The text of a selector; the expression itself when it uses names that are `late`."""
    if isinstance(value, str):
        return value
    outside = [(name, where) for name, where in value.references if name.split(".")[0] not in {*known, *late}]
    if not outside and any(name.split(".")[0] in late for name, _ in value.references):
        return value
    for name, where in outside:
        what = f"a selector is resolved before the run, so it cannot use '{name.split('.')[0]}'"
        problems.add(what, code="fixed", where=where, help="use " + " or ".join({**known, **dict.fromkeys(late)}))
    try:
        return "" if outside or len(problems) or waits(value, known) else str(value.evaluate(known))
    except PipelineError as error:
        problems.take(error)
    except FlowrunnerError as error:
        problems.add(error.what, code="bad-expression", where=value.where, help=error.help)
    return ""


def waits(value: Expression, known: Map[str, Any]) -> bool:
    """Whether `value` uses an input that has no value yet: the file alone is checked."""
    there = known.get("inputs", {})
    words = (name.split(".") for name, _ in value.references)
    return any(name[0] == "inputs" and len(name) > 1 and name[1] not in there for name in words)


def choose_device(
    problems: Problems, roles: Roles, given: str | None, place: Span, what: str, wanted: Interfaces
) -> str | None:
    """The full path of the device for `what`: the one that is named, else the only one there is."""
    if given is not None:
        name, _, part = given.partition(".")
        if several := group_of(roles, name):
            advice = f"name one of them: {', '.join(several)}; or do it with all of them: on: {given}"
            what = f"'{name}' is {len(several)} devices"
            problems.add(what, code="ambiguous-device", where=place, help=advice)
            return None
        if name not in roles:
            advice = near(name, roles) if roles else "declare it under devices"
            problems.add(f"there is no device '{name}'", code="unknown-device", where=place, help=advice)
            return None
    elif not roles:
        advice = "declare one at the top: devices: {dut: {selector: board=virt}}"
        problems.add(f"{what} needs a device, and none is declared", code="no-device", where=place, help=advice)
        return None
    elif len(roles) > 1:
        advice = f"add device: {' or '.join(roles)}"
        problems.add(f"{what} must say which device it works on", code="ambiguous-device", where=place, help=advice)
        return None
    else:
        name, part = next(iter(roles)), ""
    roles[name].needs.setdefault((part, wanted), place)
    return f"{name}.{part}" if part else name
