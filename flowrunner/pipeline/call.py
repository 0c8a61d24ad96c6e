"""`call`: a template at work."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from flowrunner.errors import Span, near
from flowrunner.model import Type
from flowrunner.pipeline.actions import Parts
from flowrunner.pipeline.common import Between, read_block
from flowrunner.pipeline.convert import facts, from_data
from flowrunner.pipeline.fit import Fitted, Fitter
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.library import Library, Template
from flowrunner.pipeline.plan import Background, Block, Call, FileFacts, Node, Retry, Scope
from flowrunner.source import Mapping, Scalar

N = TypeVar("N", bound=Node)


def compile_call(here: Here, parts: Parts, position: int, between: Between) -> Call | None:
    """A call; None when there is no such template."""
    common = read_block(here, parts, position, "it belongs to the steps inside the template")
    library = here.library
    template = _template(here, parts, library)
    if template is None or library is None:
        here.known.give_up(parts.node)
        return None
    name = str(parts.action.value if not isinstance(parts.value, Scalar) else parts.value.value)
    fitted = _inputs(common.inner, parts, name, template)
    call = Call(
        action="call", template=name, defined=template.key, accepts=template.accepts, values=fitted.values,
        places=fitted.places, paths=template.paths, files=_files(here, fitted, template, library.folder),
        roles=_roles(here, parts, name, template), folder=library.folder, home=template.home, scope=Scope(),
        **common.fields(common.id or name, between),
    )  # fmt: skip
    types: dict[str, Type] = dict(template.outputs)
    here.known.define(common.id, dict.fromkeys(types, "list") if "foreach" in common.entries else types)
    return replace(call, scope=moved(template.scope, call.path))


def _template(here: Here, parts: Parts, library: Library | None) -> Template | None:
    value = parts.value
    if library is not None and isinstance(value, Scalar) and isinstance(value.value, str) and "${{" not in value.value:
        return library.find(value.value, value.where)
    advice = "write it as call: hil.boot, with the inputs beside it under with"
    here.problems.add("call needs the name of a template", code="wrong-type", where=value.where, help=advice)
    return None


def _inputs(here: Here, parts: Parts, name: str, template: Template) -> Fitted[Any]:
    _, node = parts.scope.get("with", (parts.action, Mapping((), parts.action.where)))
    if not isinstance(node, Mapping):
        what, advice = "with needs a mapping of inputs", "write it as with: {name: value}"
        here.problems.add(what, code="wrong-type", where=node.where, help=advice)
        return Fitted(template.accepts, None, {}, {})
    anchor = parts.value.where
    return Fitter(here.problems, template.accepts, node, here.read(), label=name, anchor=anchor, dynamic=True).fit()


def _files(here: Here, fitted: Fitted[Any], template: Template, folder: Path) -> Map[str, FileFacts]:
    """The facts of the files that the call names, and of the template's own that it leaves as they are."""
    found = {name: one for name, one in template.files.items() if name not in fitted.values}
    for name, kind in template.paths.items():
        value = fitted.values.get(name)
        if not isinstance(value, str):
            continue
        try:
            found[name] = facts(Path(from_data(value, kind, folder)))
        except ValueError as error:
            where = fitted.places[(name,)]
            advice = "a path starts at the folder of the file that it is written in"
            here.problems.add(f"{name} {error}", code="bad-input", where=where, help=advice)
    return found


def _roles(here: Here, parts: Parts, name: str, template: Template) -> dict[str, str]:
    """The caller's role for each role of the template; what the template needs of it is needed here."""
    node = parts.scope["devices"][1] if "devices" in parts.scope else None
    if node is not None and not isinstance(node, Mapping):
        what, advice = "devices of a call need a mapping of roles", "write it as devices: {dut: dut}"
        here.problems.add(what, code="wrong-type", where=node.where, help=advice)
        return {}
    given = {str(key.value): (key, value) for key, value in (node.entries if node else ())}
    for role in given.keys() - template.roles.keys():
        what = f"{name} has no device '{role}'"
        here.problems.add(what, code="unknown-device", where=given[role][0].where, help=near(role, template.roles))
    found: dict[str, str] = {}
    for role in template.roles:
        chosen = _role(here, parts, name, role, given.get(role))
        if chosen is not None:
            found[role] = chosen
    _twice(here, found, given, parts.value.where)
    for role, chosen in found.items():
        for (part, wanted), _ in template.roles[role].needs.items():
            here.roles[chosen].needs.setdefault((part, wanted), parts.value.where)
    return found


def _role(here: Here, parts: Parts, name: str, role: str, given: tuple[Scalar, Any] | None) -> str | None:
    """The role here that fills `role`: the one that is named, else that of the same name, else the only one."""
    if given is not None:
        value = given[1]
        text = value.value if isinstance(value, Scalar) else None
        if not isinstance(text, str):
            here.problems.add(f"{role} needs the name of a device", code="wrong-type", where=value.where)
            return None
        if text not in here.roles:
            advice = near(text, here.roles) if here.roles else "declare it under devices"
            what = f"there is no device '{text}'"
            here.problems.add(what, code="unknown-device", where=value.where, help=advice)
            return None
        return text
    if role in here.roles:
        return role
    if len(here.roles) == 1:
        return next(iter(here.roles))
    what = f"{name} needs a device for '{role}'"
    advice = f"add devices: {{{role}: {' or '.join(here.roles)}}}" if here.roles else "declare one under devices"
    code = "ambiguous-device" if here.roles else "no-device"
    here.problems.add(what, code=code, where=parts.value.where, help=advice)
    return None


def _twice(here: Here, found: Map[str, str], given: Map[str, tuple[Scalar, Any]], where: Span) -> None:
    """One device cannot fill two roles: a template that has two means two."""
    for role, chosen in found.items():
        before = next(one for one in found if found[one] == chosen)
        if before != role:
            what = f"'{chosen}' cannot be both '{before}' and '{role}'"
            place = given[role][1].where if role in given else where
            here.problems.add(what, code="duplicate-role", where=place, help="each needs a device of its own")


def moved(scope: Scope, path: str) -> Scope:
    """`scope` with its nodes below `path`."""
    return replace(
        scope, steps=_all(scope.steps, path), branches=_all(scope.branches, path), rescue=_all(scope.rescue, path),
        last=_all(scope.last, path),
    )  # fmt: skip


def _all(nodes: tuple[N, ...], path: str) -> tuple[N, ...]:
    return tuple(_moved(node, path) for node in nodes)


def _moved(node: N, path: str) -> N:
    changes: dict[str, Any] = {"path": f"{path}.{node.path}"}
    if isinstance(node, Block):
        changes["scope"] = moved(node.scope, path)
    elif isinstance(node, Background):
        changes["body"] = _moved(node.body, path)
    if isinstance(node.retry, Retry) and node.retry.between:
        changes["retry"] = replace(node.retry, between=_all(node.retry.between, path))
    return replace(node, **changes)
