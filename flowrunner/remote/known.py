"""Interfaces by name, as a report has them. Nothing is imported because a report names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules

import flowrunner.interfaces
from flowrunner.interface import Interface

OURS = f"{flowrunner.interfaces.__name__}."


def name_of(interface: type[Interface]) -> str:
    """The name in a report: that of the class, for one of a plugin with its module."""
    ours = interface.__module__.startswith(OURS)
    return interface.__name__ if ours else f"{interface.__module__}.{interface.__qualname__}"


def named(name: str) -> type[Interface] | None:
    """The interface of that name; a plugin's only when something here has loaded it already, such as its step."""
    if "." not in name:
        return _core().get(name)
    return next((kind for kind in _loaded(Interface) if isabstract(kind) and name_of(kind) == name), None)


@cache
def _core() -> Mapping[str, type[Interface]]:
    found: dict[str, type[Interface]] = {}
    for module in iter_modules(flowrunner.interfaces.__path__):
        inside = vars(import_module(OURS + module.name))
        found |= {
            name: kind
            for name, kind in inside.items()
            if isinstance(kind, type) and issubclass(kind, Interface) and "name" in vars(kind)
        }
    return found


def _loaded(kind: type[Interface]) -> Iterator[type[Interface]]:
    for below in kind.__subclasses__():
        yield below
        yield from _loaded(below)
