"""Lab files: which exporters there are, and their labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from flowrunner.bench.checked import find, key_place, read
from flowrunner.bench.config import Entry, Exporter, Source, load_exporter
from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.model import Model
from flowrunner.source import Node, load


class LabEntry(Model):
    """One exporter: a `file` of its own, or its parts right here under `export`."""

    file: str | None = None
    """The exporter's file, relative to the lab's."""

    labels: dict[str, str] = {}
    """Labels that selectors match; they add to those in the exporter's file and win over them."""

    description: str | None = None
    """What people should know of it."""

    export: dict[str, Entry] | None = None
    """The parts of the bench by name, as in an exporter's file."""


class LabFile(Model):
    """The benches that pipelines may use, by name.

    ```yaml
    exporters:
      rpi4-a: {file: exporters/rpi4-a.yaml, labels: {board: rpi4, site: berlin}}
      desk:
        labels: {board: virt}
        export:
          power: {type: power.virtual}
    ```
    """

    flow: Literal[1] = 1
    """The version of this shape."""

    exporters: dict[str, LabEntry] = {}
    """Exporters on this machine."""

    controllers: dict[str, Any] = {}
    """Kept for controllers of other machines."""


@dataclass(slots=True)
class LabExporter:
    """An exporter of a lab. `identity` says what it is, wherever it is named: the same bench is leased once."""

    name: str
    own_labels: Mapping[str, str]
    identity: str
    reader: Callable[[], Source]
    where: Span | None = None
    _source: Source | None = field(default=None, init=False)

    @property
    def source(self) -> Source:
        """Its config, read when first asked for.

        Raises:
            PipelineErrors: what is wrong with its file.
        """
        if self._source is None:
            self._source = self.reader()
        return self._source

    @property
    def labels(self) -> dict[str, str]:
        """Its labels: those of its file, under those of the lab.

        Raises:
            PipelineErrors: what is wrong with its file.
        """
        return {**self.source.exporter.metadata.labels, **self.own_labels}


def load_lab(path: Path) -> list[LabExporter]:
    """The exporters of a lab file; their own files are read later.

    Raises:
        PipelineErrors: all that is wrong with the file.
    """
    document = load(path)
    lab = read(LabFile, document, "a lab file")
    assert document.root is not None
    errors = list(_problems(lab, document.root, path.parent))
    if errors:
        raise PipelineErrors(errors)
    return [
        _exporter(name, entry, find(document.root, ("exporters", name)), path.resolve())
        for name, entry in lab.exporters.items()
    ]


def load_one(path: Path) -> LabExporter:
    """An exporter's file without a lab around it; its name is that in its metadata, else the file's."""
    source = load_exporter(path)
    return LabExporter(source.exporter.metadata.name or path.stem, {}, str(path.resolve()), lambda: source)


def _exporter(name: str, entry: LabEntry, node: Node, lab: Path) -> LabExporter:
    if entry.file is not None:
        file = lab.parent / entry.file
        return LabExporter(name, entry.labels, str(file.resolve()), partial(load_exporter, file), node.where)
    source = Source(Exporter(export=entry.export or {}), node)
    return LabExporter(name, entry.labels, f"{lab}#{name}", lambda: source, node.where)


def _problems(lab: LabFile, root: Node, folder: Path) -> list[PipelineError]:
    found = []
    for name, entry in lab.exporters.items():
        place = ("exporters", name)
        if not re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name):
            what, where = f"'{name}' cannot name an exporter", key_place(root, place)
            found.append(PipelineError(what, code="bad-name", where=where, help="use letters, digits, _ . and -"))
        if (entry.file is None) == (not entry.export):
            both = "has both file and export" if entry.file is not None else "says nothing about what it is"
            found.append(_wrong(f"'{name}' {both}", "bad-value", root, place, "give it either file or export"))
        elif entry.file is not None and not (folder / entry.file).is_file():
            what = f"there is no file '{entry.file}'"
            found.append(_wrong(what, "no-file", root, (*place, "file"), f"looked in {folder}"))
    if lab.controllers:
        found.append(_wrong("controllers cannot be used yet", "not-yet", root, ("controllers",), "list exporters"))
    return found


def _wrong(what: str, code: str, root: Node, place: tuple[str, ...], advice: str) -> PipelineError:
    return PipelineError(what, code=code, where=find(root, place).where, help=advice)
