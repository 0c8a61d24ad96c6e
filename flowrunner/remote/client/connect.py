"""Connecting to an exporter, whosever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.client.diagnosis import refused
from flowrunner.remote.client.foreign import ForeignRemote
from flowrunner.remote.client.own import OwnRemote
from flowrunner.remote.client.remote import Remote
from flowrunner.remote.client.tree import own_tree
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.wire import INTERFACES, MOTD, NAME, Empty, messages, services

LIMIT = 10.0
"""Seconds that an exporter may take for its report."""


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Remote]:
    """The exporter at `endpoint`: ours, which speaks our own protocol, or one of Jumpstarter.

    Raises:
        BenchError: it does not answer, or is no exporter.
        PipelineError: what it is trusted by makes no sense.
    """
    async with opened_channel(endpoint) as channel:
        try:
            report = await services.ExporterServiceStub(channel).GetReport(Empty(), timeout=LIMIT)
        except grpc.aio.AioRpcError as error:
            raise await refused(endpoint, error.code(), error.details()) from error
        ours = bool(report.reports) and INTERFACES in report.reports[0].labels
        yield _own(endpoint, report) if ours else ForeignRemote(endpoint, channel, report)


def _own(endpoint: Endpoint, report: messages.GetReportResponse) -> OwnRemote:
    labels, tree = dict(report.labels), own_tree(report.reports)
    remote = OwnRemote(
        endpoint, name=labels.pop(NAME, ""), labels=labels, motd=labels.pop(MOTD, ""), device=tree.device,
        homes=tree.homes,
    )  # fmt: skip
    remote.id = report.uuid
    return remote
