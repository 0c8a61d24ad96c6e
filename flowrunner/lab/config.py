"""Lab files: which exporters there are, and their labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from flowrunner.bench.checked import find, key_place, read
from flowrunner.bench.config import Entry, Exporter, Source, load_exporter
from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.lab.access import Reached
from flowrunner.lab.exporter import LabExporter, LocalExporter
from flowrunner.lab.served import RemoteExporter
from flowrunner.model import Duration, Model
from flowrunner.remote.address import Address
from flowrunner.remote.client.remote import GRACE
from flowrunner.remote.endpoint import Endpoint
from flowrunner.source import Node, load

ONLY = "leave it out: drivers of this machine are opened in this process"

GRACES = (Duration(1), Duration(3600))
"""The shortest and the longest `grace`."""


class LabEntry(Reached):
    """One exporter: a `file` of its own, or its parts right here under `export`, or the `endpoint` where it listens."""

    file: str | None = None
    """The exporter's file, relative to the lab's."""

    labels: dict[str, str] = {}
    """Labels that selectors match; they add to those in the exporter's file and win over them."""

    description: str | None = None
    """What people should know of it."""

    export: dict[str, Entry] | None = None
    """The parts of the bench by name, as in an exporter's file."""

    grace: Duration = Duration(GRACE)
    """How long an exporter with an `endpoint` may hear nothing of its client before it makes the device safe."""


class LabFile(Model):
    """The benches that pipelines may use, by name.

    ```yaml
    exporters:
      rpi4-a: {file: exporters/rpi4-a.yaml, labels: {board: rpi4, site: berlin}}
      desk:
        labels: {board: virt}
        export:
          power: {type: power.virtual}
      rack:
        endpoint: rack.example.com:8082
        passphrase: {env: RACK_PASSPHRASE}
    ```
    """

    flow: Literal[1] = 1
    """The version of this shape."""

    exporters: dict[str, LabEntry] = {}
    """The exporters, here or elsewhere."""

    controllers: dict[str, Any] = {}
    """Kept for controllers of other machines."""


def load_lab(path: Path, environment: Mapping[str, str]) -> list[LabExporter]:
    """The exporters of a lab file; their own files are read later, and nobody is asked anything.

    Raises:
        PipelineErrors: all that is wrong with the file.
    """
    document = load(path)
    lab = read(LabFile, document, "a lab file")
    assert document.root is not None
    errors = list(_problems(lab, document.root, path.parent))
    found: list[LabExporter] = []
    for name, entry in () if errors else lab.exporters.items():
        try:
            found.append(_exporter(name, entry, document.root, path.resolve(), environment))
        except PipelineError as error:
            where = find(document.root, ("exporters", name, "endpoint")).where
            errors.append(PipelineError(error.what, code=error.code, where=where, help=error.help))
    if errors:
        raise PipelineErrors(errors)
    return found


def load_one(path: Path) -> LocalExporter:
    """An exporter's file without a lab around it; its name is that in its metadata, else the file's."""
    source = load_exporter(path)
    return LocalExporter(source.exporter.metadata.name or path.stem, str(path.resolve()), lambda: source)


def _exporter(name: str, entry: LabEntry, root: Node, lab: Path, environment: Mapping[str, str]) -> LabExporter:
    node = find(root, ("exporters", name))
    if entry.endpoint is not None:
        return _remote(name, entry, node, environment)
    if entry.file is not None:
        file = lab.parent / entry.file
        return LocalExporter(name, str(file.resolve()), partial(load_exporter, file), entry.labels, node.where)
    source = Source(Exporter(export=entry.export or {}), node)
    return LocalExporter(name, f"{lab}#{name}", lambda: source, entry.labels, node.where)


def _remote(name: str, entry: LabEntry, node: Node, environment: Mapping[str, str]) -> RemoteExporter:
    """An exporter that listens somewhere; that a file or variable of its is missing matters only to who uses it."""
    broken = None
    try:
        endpoint = entry.reach(environment)
    except PipelineError as error:
        if error.code not in ("no-file", "no-passphrase"):
            raise
        broken = PipelineError(error.what, code=error.code, where=node.where, help=error.help)
        endpoint = Endpoint(address=Address.parse(entry.endpoint or ""))
    return RemoteExporter(
        endpoint, name=name, own_labels=entry.labels, where=node.where, grace=entry.grace, broken=broken
    )


def _problems(lab: LabFile, root: Node, folder: Path) -> list[PipelineError]:
    found = []
    for name, entry in lab.exporters.items():
        place = ("exporters", name)
        if not re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name):
            what, where = f"'{name}' cannot name an exporter", key_place(root, place)
            found.append(PipelineError(what, code="bad-name", where=where, help="use letters, digits, _ . and -"))
        said = [key for key in ("file", "export", "endpoint") if getattr(entry, key)]
        if len(said) != 1:
            both = f"has both {' and '.join(said)}" if said else "says nothing about what it is"
            advice = "give it one of file, export and endpoint"
            found.append(_wrong(f"'{name}' {both}", "bad-value", root, place, advice))
        elif entry.file is not None and not (folder / entry.file).is_file():
            what = f"there is no file '{entry.file}'"
            found.append(_wrong(what, "no-file", root, (*place, "file"), f"looked in {folder}"))
        if "endpoint" not in said:
            only = [key for key in ("tls", "passphrase", "grace") if key in entry.model_fields_set]
            found += [_wrong(f"{key} goes with an endpoint", "bad-value", root, (*place, key), ONLY) for key in only]
        if not GRACES[0] <= entry.grace <= GRACES[1]:
            what, advice = f"a grace of {entry.grace} cannot be", f"say {GRACES[0]} to {GRACES[1]}"
            found.append(_wrong(what, "bad-value", root, (*place, "grace"), advice))
    if lab.controllers:
        found.append(_wrong("controllers cannot be used yet", "not-yet", root, ("controllers",), "list exporters"))
    return found


def _wrong(what: str, code: str, root: Node, place: tuple[str, ...], advice: str) -> PipelineError:
    return PipelineError(what, code=code, where=find(root, place).where, help=advice)
