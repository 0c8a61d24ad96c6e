"""What an exporter is to a lab, and the one on this machine, whose drivers this process opens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import Source
from flowrunner.device import Device
from flowrunner.errors import Span


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
