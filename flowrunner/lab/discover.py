"""Which lab a run uses: what the user named, else what the environment names, else what lies beside the pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from flowrunner.errors import PipelineError
from flowrunner.lab.access import Access
from flowrunner.lab.config import load_lab, load_one
from flowrunner.lab.exporter import LabExporter
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.served import RemoteExporter, identity
from flowrunner.lab.static import StaticLab
from flowrunner.remote.address import Address

FILE = "lab.yaml"


def discover(
    pipeline: Path,
    *,
    lab: str | None = None,
    exporters: Sequence[str] = (),
    environment: Mapping[str, str],
    access: Access | None = None,
) -> StaticLab:
    """The lab of a run of `pipeline`.

    First hit wins: `lab`, `exporters` (`[ROLE=]FILE` or `[ROLE=]ADDRESS`), the shell of `flow shell` or `jmp shell`
    around this process (`JUMPSTARTER_HOST`), `FLOW_LAB`, a `lab.yaml`. None of them is no error yet: a pipeline
    without devices needs no lab. `access` is for exporters that are named by their address.

    Raises:
        PipelineErrors: what is wrong with the lab's file or an exporter's.
        PipelineError: what was named cannot be used.
    """
    folder = partial(lock_folder, environment)
    said = access or Access()
    if lab and exporters:
        raise PipelineError("--lab and --exporter exclude each other", code="usage", help="name one of them")
    host = environment.get("JUMPSTARTER_HOST")
    if exporters or (host and not lab):
        pinned = _pinned(exporters or (f"{host}",), said.among(environment), environment)
        _check_access(said, pinned.values())
        return StaticLab((), folder=folder, pinned=pinned)
    _check_access(said, ())
    named = lab or environment.get("FLOW_LAB")
    path = _file(named, "lab") if named else _beside(pipeline)
    return StaticLab(
        load_lab(path, environment) if path else (), folder=folder, origin=str(path.absolute()) if path else None
    )


def _pinned(exporters: Sequence[str], access: Access, environment: Mapping[str, str]) -> dict[str, LabExporter]:
    found: dict[str, LabExporter] = {}
    for text in exporters:
        role, sign, name = text.partition("=")
        if not sign or not re.fullmatch(r"[a-z_][a-z0-9_]*", role):
            role, name = "", text
        if role in found:
            what = f"--exporter names '{role}' twice" if role else "--exporter names several exporters without a role"
            raise PipelineError(what, code="usage", help="write --exporter ROLE=FILE or ROLE=HOST:PORT for each role")
        found[role] = _one(name, access, environment)
    return found


def _one(name: str, access: Access, environment: Mapping[str, str]) -> LabExporter:
    host = environment.get("JUMPSTARTER_HOST")
    if name != host and (Path(name).is_file() or not Address.looks_like(name)):
        return load_one(_file(name, "exporter"))
    endpoint = access.endpoint(f"unix:{name}" if Path(name).is_socket() else name)
    around = host is not None and identity(endpoint) == identity(access.endpoint(host))
    return RemoteExporter(endpoint, join=environment.get("FLOW_LEASE") if around else None)


def _check_access(said: Access, found: Iterable[LabExporter]) -> None:
    """Raise when something is said of addresses and none is named: it would be without effect."""
    if said.said and not any(isinstance(exporter, RemoteExporter) for exporter in found):
        raise PipelineError(
            f"{said.said} is for exporters that are named by their address",
            code="usage",
            help="name one with --exporter HOST:PORT; those of a lab file say it there, under tls and passphrase",
        )


def _file(name: str, noun: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if Address.looks_like(name):
        what = f"the {noun} '{name}' is an address, and a lab is a file"
        raise PipelineError(what, code="no-file", help=f"name it with --exporter {name}")
    what = f"the {noun} '{name}' is a folder" if path.is_dir() else f"there is no {noun} file '{name}'"
    raise PipelineError(what, code="no-file", help=f"name a file; relative names start in {Path.cwd()}")


def _beside(pipeline: Path) -> Path | None:
    """The nearest `lab.yaml`, from the pipeline's folder upwards."""
    folder = pipeline.resolve().parent
    return next((found for up in (folder, *folder.parents) if (found := up / FILE).is_file()), None)
