"""Which one exporter a person means: an address, a bench's file, or a name in a lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner.errors import PipelineError, near
from flowrunner.lab.access import Access
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Endpoint

if TYPE_CHECKING:
    from flowrunner.lab.desk.held import Standing


@dataclass(frozen=True, slots=True)
class Here:
    """A bench that stands on this machine and is served by nobody yet."""

    exporter: Standing


def named(text: str | None, lab: str | None, access: Access, environment: Mapping[str, str]) -> Endpoint | Here:
    """What is meant: `text` (an address, a file, a name in the lab), else what the environment names.

    Raises:
        PipelineError: nothing is named, or what is named is not there.
    """
    text = text or environment.get("FLOW_EXPORTER") or environment.get("JUMPSTARTER_HOST")
    lab = lab or environment.get("FLOW_LAB")
    if not text:
        advice = "say --exporter HOST:PORT, unix:PATH or FILE; or open a 'flow shell'"
        raise PipelineError("no exporter is named", code="usage", help=advice)
    if text == environment.get("JUMPSTARTER_HOST") or Address.looks_like(text):
        return access.among(environment).endpoint(text)
    # Reading files costs 70 ms, which an address need not pay.
    from flowrunner.lab.config import load_one

    path = Path(text).expanduser()
    if path.is_file():
        return Here(load_one(path))
    if lab:
        return _in_lab(text, Path(lab).expanduser(), environment)
    advice = "name HOST:PORT, unix:PATH or a file; or a name of a lab, with --lab"
    raise PipelineError(f"there is no exporter '{text}'", code="no-file", help=advice)


def _in_lab(name: str, lab: Path, environment: Mapping[str, str]) -> Endpoint | Here:
    from flowrunner.lab.config import load_lab
    from flowrunner.lab.exporter import LocalExporter
    from flowrunner.lab.served import RemoteExporter

    exporters = {exporter.name: exporter for exporter in load_lab(lab, environment)}
    if name not in exporters:
        raise PipelineError(f"'{name}' is no exporter of '{lab}'", code="no-exporter", help=near(name, exporters))
    found = exporters[name]
    if isinstance(found, RemoteExporter):
        return found.endpoint
    assert isinstance(found, LocalExporter)
    return Here(found)
