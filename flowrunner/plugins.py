"""Where drivers and steps come from: a type is a module path under a registered package."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import distribution, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast

from flowrunner.errors import FlowrunnerError, near

T = TypeVar("T")
Group = Literal["flowrunner.drivers", "flowrunner.steps"]

BUILTIN: Mapping[Group, str] = {"flowrunner.drivers": "flowrunner_drivers", "flowrunner.steps": "flowrunner_steps"}


class UnknownType(FlowrunnerError):
    """No module of that name under any registered package."""

    def __init__(self, group: Group, name: str) -> None:
        noun = "action" if group == "flowrunner.steps" else "driver"
        super().__init__(f"there is no {noun} '{name}'", help=near(name, types(group)))


class BrokenPlugin(FlowrunnerError):
    """A module that was found and is no good."""


@cache
def types(group: Group) -> Mapping[str, str]:
    """Every type in `group` with its module, found without importing one of them.

    A word that Python keeps for itself carries an underscore in its module's name only: `assert` is in `assert_.py`.
    """
    found: dict[str, str] = {}
    _walk(BUILTIN[group], BUILTIN[group], "", found)
    for entry in entry_points(group=group):
        if entry.value != BUILTIN[group]:
            _walk(entry.value, entry.value, f"{entry.name}/", found)
    return MappingProxyType(dict(sorted(found.items())))


def _walk(package: str, root: str, prefix: str, found: dict[str, str]) -> None:
    spec = find_spec(package)
    for module in iter_modules(spec.submodule_search_locations if spec else ()):
        name = f"{package}.{module.name}"
        if module.name.startswith("_"):
            continue
        if module.ispkg:
            _walk(name, root, prefix, found)
        else:
            parts = name.removeprefix(f"{root}.").split(".")
            found[prefix + ".".join(part.removesuffix("_") for part in parts)] = name


def versions(group: Group, modules: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that `modules` come from, by the packages' names."""
    roots = {module.partition(".")[0] for module in modules}
    others = {e.value.partition(".")[0]: e.dist for e in entry_points(group=group) if e.value != BUILTIN[group]}
    dists = (others.get(root) or distribution("flowrunner") for root in roots)
    return dict(sorted((dist.name, dist.version) for dist in dists))


def load(group: Group, base: type[T], name: str) -> type[T]:
    """The one public subclass of `base` in the module that `name` stands for.

    Raises:
        UnknownType: no such type.
        BrokenPlugin: the module cannot be imported, or does not define exactly one.
    """
    if name not in types(group):
        raise UnknownType(group, name)
    return cast("type[T]", _load(types(group)[name], cast("Hashable", base)))


@cache
def _load(path: str, base: Any) -> type[object]:
    try:
        module = import_module(path)
    except ImportError as error:
        missing = error.name or str(error)
        raise BrokenPlugin(f"{path} needs the package '{missing}'", help="install it, or flowrunner[all]") from error
    found = [
        member
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member.__module__ == path and not name.startswith("_")
    ]
    if len(found) != 1:
        names = ", ".join(c.__name__ for c in found) or "none"
        raise BrokenPlugin(f"{path} must define exactly one public {base.__name__}, found {names}")
    return found[0]
