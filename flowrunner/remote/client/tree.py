"""From a report to the tree of a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flowrunner.bench.part import join
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.remote.known import named
from flowrunner.remote.wire import HOME, INTERFACES, NAME, TYPE, messages

Report = messages.DriverInstanceReport
Describe = Callable[[Report], tuple[str, tuple[type[Interface], ...]]]
"""The type of a part, and its interfaces, most special first."""

Make = Callable[[Device, str], Interface | None]
"""The client of a part that stands at this path; None for one that cannot be called."""


@dataclass(slots=True)
class Tree:
    """A device without clients. By path: the path at which the part really stands, and what was reported of it."""

    device: Device = field(default_factory=lambda: Device("", "composite"))
    homes: dict[str, str] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)


def own_tree(reports: Iterable[Report]) -> Tree:
    """The tree of one of our exporters.

    Raises:
        BenchError: the report makes no sense.
    """

    def describe(report: Report) -> tuple[str, tuple[type[Interface], ...]]:
        found = map(named, report.labels.get(INTERFACES, "").split(","))
        return report.labels.get(TYPE, ""), tuple(interface for interface in found if interface)

    return tree(reports, describe)


def tree(reports: Iterable[Report], describe: Describe) -> Tree:
    """The tree that `reports` tell of: parents come before their children, and a proxy comes again with another parent.

    A part stands where it is told to (our label), else where it comes first.

    Raises:
        BenchError: there is no root, or a parent or a name is missing.
    """
    found = Tree()
    latest: dict[str, tuple[str, Device]] = {}
    first: dict[str, str] = {}
    for report in reports:
        parent = latest.get(report.parent_uuid)
        name = report.labels.get(NAME, "").replace(".", "_") if report.parent_uuid else ""  # dots are for paths
        _check(report, parent is not None, name, bool(latest))
        device = Device(name, *describe(report))
        path = join(parent[0], name) if parent else ""
        if parent:
            parent[1].children[name] = device
        else:
            found.device = device
        latest[report.uuid] = (path, device)
        found.homes[path] = report.labels.get(HOME, first.setdefault(report.uuid, path))
        found.reports[path] = report
    if not latest:
        raise BenchError("the exporter reports no parts at all", blame="infra")
    return found


def _check(report: Report, has_parent: bool, name: str, has_root: bool) -> None:
    """Refuse a report whose tree cannot be drawn."""
    if not report.parent_uuid and not has_root:
        return
    why = "a second root" if not report.parent_uuid else "" if has_parent else "a part whose parent is unknown"
    why = why or ("" if name else "a part without a name")
    if why:
        raise BenchError(f"the exporter's report makes no sense: there is {why}", blame="internal")


def with_clients(device: Device, homes: Mapping[str, str], role: str, make: Make) -> Device:
    """`device` as `role`, with clients; parts with one home have one client. A path without a home is its own."""
    clients: dict[str, Interface | None] = {}

    def part(node: Device, path: str, name: str) -> Device:
        home = homes.get(path, path)
        if home not in clients:
            clients[home] = make(node, home)
        children = {child: part(below, join(path, child), child) for child, below in node.children.items()}
        return Device(name, node.type, node.interfaces, clients[home], children)

    return part(device, "", role)
