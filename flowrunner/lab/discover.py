"""Which lab a run uses: what the user named, else what the environment names, else what lies beside the pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from flowrunner.errors import PipelineError
from flowrunner.lab.config import LabExporter, load_lab, load_one
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.local import LocalLab

FILE = "lab.yaml"


def discover(
    pipeline: Path, *, lab: str | None = None, exporters: Sequence[str] = (), environment: Mapping[str, str]
) -> LocalLab:
    """The lab of a run of `pipeline`. First hit wins: `lab`, `exporters` (`[ROLE=]FILE`), `FLOW_LAB`, a `lab.yaml`.

    None of them is no error yet: a pipeline without devices needs no lab.

    Raises:
        PipelineErrors: what is wrong with the lab's file or an exporter's.
        PipelineError: what was named cannot be used.
    """
    folder = partial(lock_folder, environment)
    if lab and exporters:
        raise PipelineError("--lab and --exporter exclude each other", code="usage", help="name one of them")
    if exporters:
        return LocalLab((), folder=folder, pinned=_pinned(exporters), origin=", ".join(exporters))
    named = lab or environment.get("FLOW_LAB")
    if not named and environment.get("JUMPSTARTER_HOST"):
        raise PipelineError(
            "a lease of Jumpstarter (JUMPSTARTER_HOST) cannot be used yet", code="not-yet", help="name a lab with --lab"
        )
    path = _file(named, "lab") if named else _beside(pipeline)
    return LocalLab(load_lab(path) if path else (), folder=folder, origin=str(path) if path else None)


def _pinned(exporters: Sequence[str]) -> dict[str, LabExporter]:
    found: dict[str, LabExporter] = {}
    for text in exporters:
        role, sign, name = text.partition("=")
        if not sign or not re.fullmatch(r"[a-z_][a-z0-9_]*", role):
            role, name = "", text
        if role in found:
            what = f"--exporter names '{role}' twice" if role else "--exporter names several files without a role"
            raise PipelineError(what, code="usage", help="write --exporter ROLE=FILE for each role")
        found[role] = load_one(_file(name, "exporter"))
    return found


def _file(name: str, noun: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_socket() or re.fullmatch(r"(?:[\w.-]+|\[[\da-fA-F:]+\]):\d+|\w+://.*|unix:.*", name):
        raise PipelineError(
            f"the {noun} '{name}' is an address: those cannot be used yet", code="not-yet", help="name a file"
        )
    what = f"the {noun} '{name}' is a folder" if path.is_dir() else f"there is no {noun} file '{name}'"
    raise PipelineError(what, code="no-file", help=f"name a file; relative names start in {Path.cwd()}")


def _beside(pipeline: Path) -> Path | None:
    """The nearest `lab.yaml`, from the pipeline's folder upwards."""
    folder = pipeline.resolve().parent
    return next((found for up in (folder, *folder.parents) if (found := up / FILE).is_file()), None)
