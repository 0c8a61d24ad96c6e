"""The report: what an exporter tells its clients of its parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flowrunner.bench.config import Entry, Exporter
from flowrunner.errors import FlowrunnerError
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.station import Node, Station
from flowrunner.remote.known import name_of
from flowrunner.remote.later import text
from flowrunner.remote.wire import CLIENT, HOME, INTERFACES, MOTD, NAME, TYPE, messages

MOTD_FIELD = 5
"""The field of a report that 0.9.0 has not."""

_log = logging.getLogger(__name__)


async def report(station: Station, facades: Facades) -> messages.GetReportResponse:
    """All parts, parents before children; a part that others refer to comes once for each of its names."""
    exporter = station.source.exporter
    motd = "\n".join(filter(None, (exporter.motd, station.motd)))
    answer = messages.GetReportResponse(
        uuid=station.uuid(""),
        labels={**exporter.metadata.labels, NAME: station.name, **({MOTD: motd} if motd else {})},
        reports=[await _part(node, facades, exporter) for node in station.nodes()],
    )
    answer.MergeFromString(text(MOTD_FIELD, motd))
    return answer


async def _part(node: Node, facades: Facades, exporter: Exporter) -> messages.DriverInstanceReport:
    facade = facades.facade(node.uuid)
    labels = {
        **await _more(node, facades), CLIENT: facade.client_class, TYPE: node.part.type, HOME: node.part.home,
        INTERFACES: ",".join(map(name_of, node.device.interfaces)),
    }  # fmt: skip
    if node.parent is None:
        return messages.DriverInstanceReport(uuid=node.uuid, labels=labels, description=exporter.description or None)
    entry = _entry(exporter, node.part.home)
    return messages.DriverInstanceReport(
        uuid=node.uuid, parent_uuid=node.parent, labels={**labels, NAME: node.name},
        description=entry.description or None, methods_description=entry.methods_description or {},
    )  # fmt: skip


async def _more(node: Node, facades: Facades) -> Mapping[str, str]:
    """The labels that a part's driver has to be asked for; nothing while it cannot be asked."""
    try:
        return await facades.facade(node.uuid).labels()
    except FlowrunnerError as error:
        _log.info("the report has no labels of '%s': %s", node.path, error.what)
        return {}


def _entry(exporter: Exporter, home: str) -> Entry:
    """What the file says of the part at `home`; nothing of one that a driver brings along."""
    entries: Mapping[str, Entry] = exporter.export
    entry = Entry()
    for name in home.split("."):
        entry = entries.get(name) or Entry()
        entries = entry.children or {}
    return entry
