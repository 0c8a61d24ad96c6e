"""Which exporters can fill a role, and why the others cannot. Nothing is opened for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowrunner.bench.bench import Bench
from flowrunner.device import Device
from flowrunner.errors import PipelineError, PipelineErrors, near
from flowrunner.lab.config import LabExporter
from flowrunner.lab.selector import parse
from flowrunner.pipeline.plan import DeviceRequest

NAME_LABEL = "flowrunner/exporter"
"""A label that every exporter has: its name in the lab."""


class Catalogue:
    """What each exporter of a lab offers, looked up once."""

    def __init__(self, exporters: Sequence[LabExporter]) -> None:
        """Nothing is read yet."""
        self.exporters = tuple(exporters)
        self._devices: dict[str, Device] = {}

    def device(self, exporter: LabExporter) -> Device:
        """The tree of an exporter, not to be called.

        Raises:
            PipelineErrors: what is wrong with its config.
        """
        if exporter.identity not in self._devices:
            self._devices[exporter.identity] = Bench(exporter.source, exporter.name).device()
        return self._devices[exporter.identity]

    def fitting(self, request: DeviceRequest) -> list[LabExporter]:
        """The exporters that can fill `request`, in the order of the lab.

        Raises:
            PipelineErrors: there is none, or one that was selected is broken.
        """
        selector = parse(request.selector, request.where)
        selected = [e for e in self.exporters if selector.matches({**_labels(e), NAME_LABEL: e.name})]
        if not selected:
            raise PipelineErrors([self._none_selected(request)])
        lacks = {exporter.name: self.lacks(request, exporter) for exporter in selected}
        found = [exporter for exporter in selected if not lacks[exporter.name]]
        if found:
            return found
        if len(selected) == 1:
            raise PipelineErrors(lacks[selected[0].name])
        reasons = "; ".join(f"{name}: {', '.join(error.what for error in errors)}" for name, errors in lacks.items())
        raise PipelineErrors(
            [
                PipelineError(
                    f"no exporter with {request.selector or 'any labels'} offers what '{request.role}' needs",
                    code="no-exporter",
                    where=request.where,
                    help=reasons,
                )
            ]
        )

    def lacks(self, request: DeviceRequest, exporter: LabExporter) -> list[PipelineError]:
        """What `request` needs and `exporter` does not offer.

        Raises:
            PipelineErrors: what is wrong with its config.
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

    def _none_selected(self, request: DeviceRequest) -> PipelineError:
        if not self.exporters:
            return PipelineError(
                f"there is no lab to take '{request.role}' from",
                code="no-lab",
                where=request.where,
                help="write a lab.yaml beside the pipeline, or name one with --lab FILE or --exporter FILE",
            )
        listed = [f"{e.name} ({_text(_labels(e))})" for e in self.exporters]
        known = {f"{key}={value}" for e in self.exporters for key, value in _labels(e).items()}
        wanted = [str(r) for r in parse(request.selector).requirements if r.operator == "in"]
        hints = [near(text, known) for text in wanted if text not in known]
        close = next((hint + "; " for hint in hints if hint.startswith("did you mean")), "")
        return PipelineError(
            f"no exporter matches '{request.selector}'",
            code="no-exporter",
            where=request.where,
            help=f"{close}there is {', '.join(listed[:8])}" + (f" and {len(listed) - 8} more" if listed[8:] else ""),
        )


def _labels(exporter: LabExporter) -> dict[str, str]:
    """The labels of an exporter; one whose file is broken is judged by what the lab says of it."""
    try:
        return exporter.labels
    except PipelineErrors:
        return dict(exporter.own_labels)


def _text(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no labels"
