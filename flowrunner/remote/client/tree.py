"""From a report to the tree of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import flowrunner.interfaces
from flowrunner.bench.part import join
from flowrunner.device import Device
from flowrunner.interface import Interface
from flowrunner.remote.wire import HOME, INTERFACES, NAME, TYPE, messages


@cache
def own_interfaces() -> Mapping[str, type[Interface]]:
    """Our interfaces by the name of their class."""
    found: dict[str, type[Interface]] = {}
    for module in iter_modules(flowrunner.interfaces.__path__):
        inside = vars(import_module(f"{flowrunner.interfaces.__name__}.{module.name}"))
        found |= {
            name: kind
            for name, kind in inside.items()
            if isinstance(kind, type) and issubclass(kind, Interface) and "name" in vars(kind)
        }
    return found


@dataclass(slots=True)
class Tree:
    """A device without clients; `homes` has for each path the one at which the part really stands."""

    device: Device = field(default_factory=lambda: Device("", "composite"))
    homes: dict[str, str] = field(default_factory=dict)


def own_tree(reports: Iterable[messages.DriverInstanceReport]) -> Tree:
    """The tree of one of our exporters. Parents come before their children."""
    tree = Tree()
    latest: dict[str, tuple[str, Device]] = {}
    for one in reports:
        names = filter(None, one.labels.get(INTERFACES, "").split(","))
        interfaces = tuple(own_interfaces()[name] for name in names if name in own_interfaces())
        parent = latest.get(one.parent_uuid)
        name = one.labels.get(NAME, "") if parent else ""
        device = Device(name, one.labels.get(TYPE, ""), interfaces)
        path = join(parent[0], name) if parent else ""
        if parent:
            parent[1].children[name] = device
        else:
            tree.device = device
        latest[one.uuid] = (path, device)
        tree.homes[path] = one.labels.get(HOME, path)
    return tree
