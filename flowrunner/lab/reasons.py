"""Why no exporter can fill a role, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowrunner.errors import BenchError, PipelineError, PipelineErrors, near
from flowrunner.lab.exporter import LabExporter
from flowrunner.lab.selector import parse
from flowrunner.pipeline.plan import DeviceRequest


def known_labels(exporter: LabExporter) -> dict[str, str]:
    """The labels of an exporter; one whose file is broken is judged by what the lab says of it."""
    try:
        return exporter.labels
    except PipelineErrors:
        return dict(exporter.own_labels)


def none_selected(request: DeviceRequest, exporters: Sequence[LabExporter]) -> PipelineError:
    """No exporter has the labels."""
    if not exporters:
        return PipelineError(
            f"there is no lab to take '{request.role}' from",
            code="no-lab",
            where=request.where,
            help="write a lab.yaml beside the pipeline, or name one with --lab FILE or --exporter FILE|HOST:PORT",
        )
    listed = [f"{e.name} ({_text(known_labels(e))})" for e in exporters]
    known = {f"{key}={value}" for e in exporters for key, value in known_labels(e).items()}
    wanted = [str(r) for r in parse(request.selector).requirements if r.operator == "in"]
    hints = [near(text, known) for text in wanted if text not in known]
    close = next((hint + "; " for hint in hints if hint.startswith("did you mean")), "")
    return PipelineError(
        f"no exporter matches '{request.selector}'",
        code="no-exporter",
        where=request.where,
        help=f"{close}there is {', '.join(listed[:8])}" + (f" and {len(listed) - 8} more" if listed[8:] else ""),
    )


def none_offers(request: DeviceRequest, lacks: Mapping[str, Sequence[PipelineError]]) -> PipelineError:
    """Several have the labels, and each lacks something."""
    reasons = "; ".join(f"{name}: {', '.join(error.what for error in errors)}" for name, errors in lacks.items())
    what = f"no exporter with {request.selector or 'any labels'} offers what '{request.role}' needs"
    return PipelineError(what, code="no-exporter", where=request.where, help=reasons)


def too_few(requests: Sequence[DeviceRequest], fitting: Mapping[str, Sequence[LabExporter]]) -> PipelineError:
    """Each role could be filled, but not all of them at once."""
    fits = "; ".join(f"{role}: {', '.join(e.name for e in found)}" for role, found in fitting.items())
    names = {exporter.identity for found in fitting.values() for exporter in found}
    noun = "exporter" if len(names) == 1 else "exporters"
    return PipelineError(
        f"{len(requests)} roles cannot be filled from {len(names)} {noun}",
        code="no-exporter",
        where=requests[-1].where,
        help=f"each role needs one of its own; these fit: {fits}",
    )


def no_answer(silent: Mapping[str, BenchError]) -> BenchError:
    """Those that may fit did not answer: the first one's error, which names the others."""
    error = next(iter(silent.values()))
    if len(silent) == 1:
        return error
    others = ", ".join(list(silent)[1:])
    what = f"{error.what}; {others} did not answer either"
    return BenchError(what, blame=error.blame, help=error.help)


def _text(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no labels"
