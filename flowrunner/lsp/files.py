"""The files that are open, and those that they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from flowrunner.errors import Span
from flowrunner.source import Mapping, Node, Scalar
from flowrunner.source.recovery import recovered


class Kind(StrEnum):
    """What a file is."""

    PIPELINE = "pipeline"
    LAB = "lab"
    EXPORTER = "exporter"


@dataclass(eq=False)
class File:
    """One text, and what can be read of it even while it is typed."""

    path: Path
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, without their ends."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @cached_property
    def root(self) -> Mapping:
        """What it says; an empty mapping when that cannot be read."""
        root = recovered(self.text, str(self.path)).root
        return root if isinstance(root, Mapping) else Mapping((), Span(str(self.path), 1, 1, 1, 1))

    @cached_property
    def kind(self) -> Kind | None:
        """What it is by its keys, by its name when it has none yet; None for another YAML file."""
        keys = {str(key.value) for key, _ in self.root.entries}
        if {"exporters", "controllers"} & keys:
            return Kind.LAB
        if "export" in keys or _text(self.root.get("kind")) == "ExporterConfig":
            return Kind.EXPORTER
        if keys & {"flow", "steps", "jobs", "templates"}:
            return Kind.PIPELINE
        if keys and not {"devices", "inputs", "include"} & keys:
            return None
        named = {"lab": Kind.LAB}.get(self.path.stem)
        return named or (Kind.EXPORTER if self.path.parent.name == "exporters" else Kind.PIPELINE)

    @property
    def fetches(self) -> bool:
        """Whether reading it asks a server for something."""
        include = self.root.get("include")
        entries = include.entries if isinstance(include, Mapping) else ()
        return any(isinstance(value, Mapping) and (value.key("git") or value.key("oci")) for _, value in entries)


@dataclass
class Files:
    """Open files by resolved path; others are read when they are asked for."""

    opened: dict[Path, File] = field(default_factory=dict)

    def open(self, path: Path, text: str) -> File:
        """The file has this text now."""
        file = self.opened[path.resolve()] = File(path, text)
        return file

    def close(self, path: Path) -> None:
        """What is on the disk counts again."""
        self.opened.pop(path.resolve(), None)

    def get(self, path: Path) -> File | None:
        """The file, as it is open or as it is on the disk; None when there is none."""
        if found := self.opened.get(path.resolve()):
            return found
        try:
            return File(path, path.read_text("utf-8-sig", "replace"))
        except OSError:
            return None

    @property
    def texts(self) -> dict[Path, str]:
        """The texts of the open files."""
        return {path: file.text for path, file in self.opened.items()}


def _text(node: Node | None) -> str | None:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None
