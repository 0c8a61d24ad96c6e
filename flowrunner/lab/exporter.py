"""The exporters of a lab: one on this machine, whose drivers this process opens, or one that listens somewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import Source
from flowrunner.device import Device
from flowrunner.errors import BenchError, PipelineError, PipelineErrors, Span
from flowrunner.remote.client.remote import GRACE, Remote
from flowrunner.remote.endpoint import Endpoint

LOOK_LIMIT = 20.0
"""Seconds that an exporter may take to say what it has."""


class LabExporter(ABC):
    """One exporter. `identity` says what it is, wherever it is named: the same bench is leased once.

    `own_labels` are those that the lab gives it.
    """

    def __init__(
        self, name: str, identity: str, own_labels: Mapping[str, str] | None = None, where: Span | None = None
    ) -> None:
        """`where` is its place in the lab's file."""
        self.name = name
        self.identity = identity
        self.own_labels = dict(own_labels or {})
        self.where = where

    @property
    def locator(self) -> str:
        """What finds it again: a file's path, or an address."""
        return self.identity

    @property
    @abstractmethod
    def labels(self) -> dict[str, str]:
        """Its labels: what it says itself, under what the lab says.

        Raises:
            PipelineErrors: what is wrong with its file.
        """

    @abstractmethod
    def device(self) -> Device:
        """Its tree, not to be called.

        Raises:
            PipelineErrors: what is wrong with its file.
            BenchError: it was asked, and did not answer.
        """


class LocalExporter(LabExporter):
    """An exporter that is described by a file, or in the lab's."""

    def __init__(
        self, name: str, identity: str, reader: Callable[[], Source], own_labels: Mapping[str, str] | None = None,
        where: Span | None = None,
    ) -> None:  # fmt: skip
        """`reader` reads its config when that is first asked for."""
        super().__init__(name, identity, own_labels, where)
        self._reader = reader
        self._source: Source | None = None

    @property
    def source(self) -> Source:
        """Its config.

        Raises:
            PipelineErrors: what is wrong with its file.
        """
        if self._source is None:
            self._source = self._reader()
        return self._source

    @property
    def labels(self) -> dict[str, str]:
        return {**self.source.exporter.metadata.labels, **self.own_labels}

    def device(self) -> Device:
        return Bench(self.source, self.name).device()


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
