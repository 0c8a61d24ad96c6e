"""The report: what an exporter tells its clients of its parts."""

from __future__ import annotations

from flowrunner.remote.exporter.station import Node, Station
from flowrunner.remote.jumpstarter.table import client_class
from flowrunner.remote.wire import CLIENT, HOME, INTERFACES, MOTD, NAME, TYPE, messages


def report(station: Station) -> messages.GetReportResponse:
    """All parts, parents before children; a part that others refer to comes once for each of its names."""
    exporter = station.source.exporter
    motd = "\n".join(filter(None, (exporter.motd, station.motd)))
    return messages.GetReportResponse(
        uuid=station.uuid(""),
        labels={**exporter.metadata.labels, NAME: station.name, **({MOTD: motd} if motd else {})},
        reports=[_part(node, exporter.description) for node in station.nodes()],
    )


def _part(node: Node, description: str | None) -> messages.DriverInstanceReport:
    labels = {
        CLIENT: client_class(node.device.interfaces), TYPE: node.part.type, HOME: node.part.home,
        INTERFACES: ",".join(interface.__name__ for interface in node.device.interfaces),
    }  # fmt: skip
    if node.parent is None:
        return messages.DriverInstanceReport(uuid=node.uuid, labels=labels, description=description or None)
    return messages.DriverInstanceReport(uuid=node.uuid, parent_uuid=node.parent, labels={**labels, NAME: node.name})
