"""An exporter of a lab that another process serves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError, PipelineError, PipelineErrors, Span
from flowrunner.lab.exporter import LabExporter
from flowrunner.remote.client.remote import GRACE, Remote
from flowrunner.remote.endpoint import Endpoint

LOOK_LIMIT = 20.0
"""Seconds that an exporter may take to say what it has."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an exporter said of itself when it was asked."""

    name: str
    labels: Mapping[str, str]
    device: Device


class RemoteExporter(LabExporter):
    """An exporter that listens at `endpoint`.

    Without a name it goes by the one that it says itself. `grace` are the seconds without a sign of life after which
    it makes its device safe. `join` is a lease that somebody else has, such as the shell around this process, to work
    within it. `broken` is what is wrong with what the lab says of it.
    """

    def __init__(
        self, endpoint: Endpoint, *, name: str | None = None, own_labels: Mapping[str, str] | None = None,
        where: Span | None = None, grace: float = GRACE, join: str | None = None, broken: PipelineError | None = None,
    ) -> None:  # fmt: skip
        """Nothing is connected yet."""
        super().__init__(name or str(endpoint), f"lease:{join}" if join else identity(endpoint), own_labels, where)
        self.endpoint = endpoint
        self.grace = grace
        self.join = join
        self._broken = broken
        self._nameless = name is None
        self._report: Report | None = None
        self.failure: BenchError | None = None

    @property
    def locator(self) -> str:
        return identity(self.endpoint)

    @property
    def known(self) -> bool:
        """Whether it has said what it has."""
        return self._report is not None

    @property
    def labels(self) -> dict[str, str]:
        return {**(self._report.labels if self._report else {}), **self.own_labels}

    def device(self) -> Device:
        if self._broken:
            raise PipelineErrors([self._broken])
        if self._report:
            return self._report.device
        raise self.failure or BenchError(f"'{self.name}' was not asked what it has", blame="internal")

    async def look(self) -> None:
        """Ask it what it has. That it does not answer is kept as its `failure`."""
        if self._broken:
            return
        try:
            with anyio.fail_after(LOOK_LIMIT):
                async with self.connected() as remote:
                    self.learn(remote)
        except BenchError as error:
            self.failure = error
        except PipelineError as error:
            self._broken = error
        except TimeoutError:
            what = f"the exporter at {self.endpoint} did not answer within {LOOK_LIMIT:g}s"
            self.failure = BenchError(what, blame="infra", help="see whether it runs, and whether this is its address")

    def learn(self, remote: Remote) -> None:
        """Take in what a connected exporter says of itself."""
        self.failure = None
        self._report = Report(remote.name, dict(sorted(remote.labels.items())), remote.device)
        if self._nameless:
            self.name = remote.name

    def connected(self) -> AbstractAsyncContextManager[Remote]:
        """A connection to it.

        Raises:
            BenchError: it could not be reached, or it refused.
        """
        from flowrunner.remote.client.connect import connected  # grpc takes long to load: only who uses it waits

        return connected(self.endpoint)


def identity(endpoint: Endpoint) -> str:
    """What an exporter is that is known by its address only."""
    path = endpoint.address.path
    return f"unix:{path.resolve()}" if path else str(endpoint.address)
