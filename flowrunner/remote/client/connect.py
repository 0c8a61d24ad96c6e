"""Connecting to an exporter, whosever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.client.own import OwnRemote
from flowrunner.remote.client.remote import Remote
from flowrunner.remote.client.tree import own_tree
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.wire import INTERFACES, MOTD, NAME, Empty, services

LIMIT = 10.0
"""Seconds that an exporter may take for its report."""


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Remote]:
    """The exporter at `endpoint`.

    Raises:
        BenchError: it does not answer, or is no exporter.
    """
    async with opened_channel(endpoint) as channel:
        try:
            report = await services.ExporterServiceStub(channel).GetReport(Empty(), timeout=LIMIT)
        except grpc.aio.AioRpcError as error:
            raise BenchError(f"{endpoint} gave no report: {error.details()}", blame="infra") from error
        if not report.reports or INTERFACES not in report.reports[0].labels:
            raise BenchError(f"{endpoint} is no exporter of ours", blame="infra")
        tree = own_tree(report.reports)
        labels = dict(report.labels)
        name, motd = labels.pop(NAME, ""), labels.pop(MOTD, "")
        remote = OwnRemote(endpoint, name=name, labels=labels, motd=motd, device=tree.device, homes=tree.homes)
        remote.id = report.uuid
        yield remote
