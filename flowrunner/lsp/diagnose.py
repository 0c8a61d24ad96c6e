"""All that is wrong with a file, as an editor underlines it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lsprotocol.types import Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, Position, Range

from flowrunner.errors import FlowrunnerError, PipelineError, PipelineErrors, Span
from flowrunner.lab.config import load_lab, load_one
from flowrunner.lab.exporter import LocalExporter
from flowrunner.lsp.files import File, Files, Kind
from flowrunner.lsp.places import location, range_of
from flowrunner.pipeline.compiler import compile
from flowrunner.source import parse
from flowrunner.source.overlay import overlaid


def diagnose(file: File, files: Files, *, fetch: bool) -> list[Diagnostic]:
    """What is wrong with `file`. Without `fetch`, one that includes files of a server is only read."""
    path = file.path.absolute()
    with overlaid({**files.texts, path.resolve(): file.text}):
        errors = list(_errors(file, path, fetch))
    return [_diagnostic(error, path, file, files) for error in errors]


def _errors(file: File, path: Path, fetch: bool) -> Iterator[FlowrunnerError]:
    try:
        if file.kind is Kind.PIPELINE and (fetch or not file.fetches):
            hidden = ("FLOW_INPUT_", "FLOW_SECRET_")
            environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
            compile(path, complete=False, environment=environment)
        elif file.kind is Kind.LAB:
            yield from _of_lab(path)
        elif file.kind is Kind.EXPORTER:
            load_one(path).device()
        elif file.kind:
            parse(file.text, str(path))
    except PipelineErrors as several:
        yield from several.errors
    except FlowrunnerError as error:
        yield error


def _of_lab(path: Path) -> Iterator[FlowrunnerError]:
    for exporter in load_lab(path, os.environ):
        if isinstance(exporter, LocalExporter):
            try:
                exporter.device()
            except PipelineErrors as several:
                yield from (error for error in several.errors if error.where and error.where.file == str(path))
            except FlowrunnerError as error:
                yield error


def _diagnostic(error: FlowrunnerError, path: Path, file: File, files: Files) -> Diagnostic:
    included = tuple(error.included) if isinstance(error, PipelineError) else ()
    places = [place for place in (error.where, *included) if place is not None]
    mine = next((place for place in places if place.file == str(path)), None)
    related = [
        DiagnosticRelatedInformation(where, _about(place, places))
        for place in places
        if place is not mine and (where := _elsewhere(place, files))
    ]
    far = f"{Path(places[0].file).name}:{places[0].short}: " if places and places[0] is not mine else ""
    help = f"\n{error.help}" if error.help else ""
    return Diagnostic(
        range=range_of(mine, file.lines) if mine else Range(Position(0, 0), Position(0, 1)),
        message=far + error.what + help, severity=DiagnosticSeverity.Error, source="flow",
        code=error.code if isinstance(error, PipelineError) else None, related_information=related or None,
    )  # fmt: skip


def _about(place: Span, places: list[Span]) -> str:
    return "it is here" if place is places[0] else "included here"


def _elsewhere(place: Span, files: Files) -> Location | None:
    path = Path(place.file)
    file = files.get(path) if path.is_absolute() else None
    return location(place, path, file.lines) if file else None
