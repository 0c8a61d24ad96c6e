"""Which exporters can fill a role, and why the others cannot. Nothing is opened for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flowrunner.device import Device
from flowrunner.engine.lab import NAME_LABEL
from flowrunner.errors import BenchError, PipelineError, PipelineErrors
from flowrunner.lab.exporter import LabExporter
from flowrunner.lab.reasons import known_labels, no_answer, none_offers, none_selected
from flowrunner.lab.selector import Selector, parse
from flowrunner.lab.served import RemoteExporter
from flowrunner.pipeline.plan import DeviceRequest


class Catalogue:
    """What each exporter of a lab offers, looked up once."""

    def __init__(self, exporters: Sequence[LabExporter]) -> None:
        """Nothing is read yet."""
        self.exporters = tuple(exporters)
        self._by_name = {exporter.name: exporter for exporter in self.exporters}
        self._devices: dict[str, Device] = {}

    def device(self, exporter: LabExporter) -> Device:
        """The tree of an exporter, not to be called.

        Raises:
            PipelineErrors: what is wrong with its config.
            BenchError: it was asked, and did not answer.
        """
        if isinstance(exporter, RemoteExporter):
            return exporter.device()
        if exporter.identity not in self._devices:
            self._devices[exporter.identity] = exporter.device()
        return self._devices[exporter.identity]

    def possible(self, requests: Sequence[DeviceRequest]) -> Iterator[LabExporter]:
        """The exporters that may match a selector, by what is known of them now."""
        selectors = []
        for request in requests:
            try:
                selectors.append(parse(request.selector))
            except PipelineError:
                continue  # 'fitting' says what is wrong with it
        for exporter in self._named(selectors):
            if any(selector.possible({**known_labels(exporter), NAME_LABEL: exporter.name}) for selector in selectors):
                yield exporter

    def _named(self, selectors: Sequence[Selector]) -> Sequence[LabExporter]:
        """The exporters that `selectors` name, when each of them names some; a large lab is not searched for these."""
        names: dict[str, None] = {}
        for selector in selectors:
            wanted = next((r for r in selector.requirements if (r.key, r.operator) == (NAME_LABEL, "in")), None)
            if wanted is None:
                return self.exporters
            names |= dict.fromkeys(sorted(wanted.values))
        return [self._by_name[name] for name in names if name in self._by_name]

    def members(self, request: DeviceRequest) -> list[LabExporter]:
        """Every exporter that `request` selects, in the order of the lab.

        Raises:
            PipelineErrors: there is none, or one that answers lacks what is needed.
        """
        selector = parse(request.selector, request.where)
        selected = [exporter for exporter in self._named([selector]) if _selects(selector, exporter)]
        if not selected:
            raise PipelineErrors([none_selected(request, self.exporters)])
        errors: list[PipelineError] = []
        for exporter in selected:
            try:
                errors += self.lacks(request, exporter)
            except BenchError:
                continue  # it does not answer now; it may when its turn comes
        if errors:
            raise PipelineErrors(errors)
        return selected

    def fitting(self, request: DeviceRequest) -> list[LabExporter]:
        """The exporters that can fill `request`, in the order of the lab.

        Raises:
            PipelineErrors: there is none, or one that was selected is broken.
            BenchError: there is none, and one that may be it does not answer.
        """
        selector = parse(request.selector, request.where)
        selected = [exporter for exporter in self._named([selector]) if _selects(selector, exporter)]
        if not selected:
            raise PipelineErrors([none_selected(request, self.exporters)])
        lacks: dict[str, list[PipelineError]] = {}
        silent: dict[str, BenchError] = {}
        for exporter in selected:
            try:
                lacks[exporter.name] = self.lacks(request, exporter)
            except BenchError as error:
                silent[exporter.name] = error
        found = [exporter for exporter in selected if lacks.get(exporter.name) == []]
        if found:
            return found
        if silent:
            raise no_answer(silent)
        if len(selected) == 1:
            raise PipelineErrors(lacks[selected[0].name])
        raise PipelineErrors([none_offers(request, lacks)])

    def lacks(self, request: DeviceRequest, exporter: LabExporter) -> list[PipelineError]:
        """What `request` needs and `exporter` does not offer.

        Raises:
            PipelineErrors: what is wrong with its config.
            BenchError: it was asked, and did not answer.
        """
        device = replace(self.device(exporter), name=request.role)
        offered = {interface.name for _, node in device.walk() for interface in node.interfaces}
        errors = [
            PipelineError(
                f"'{request.role}' requires {name}, exporter '{exporter.name}' has none",
                code="no-interface",
                where=request.where,
                help=f"it offers {', '.join(sorted(offered)) or 'nothing'}",
            )
            for name in request.requires
            if name not in offered
        ]
        for path, wanted, where in request.needs:
            try:
                device.find(*wanted, path=path)
            except PipelineError as error:
                advice = f"exporter '{exporter.name}': {error.help}"
                errors.append(PipelineError(error.what, code=error.code, where=where, help=advice))
        return errors


def _selects(selector: Selector, exporter: LabExporter) -> bool:
    """Whether an exporter is meant; one that does not answer is, when nothing that is known of it says no."""
    labels = {**known_labels(exporter), NAME_LABEL: exporter.name}
    silent = isinstance(exporter, RemoteExporter) and not exporter.known
    return selector.possible(labels) if silent else selector.matches(labels)
