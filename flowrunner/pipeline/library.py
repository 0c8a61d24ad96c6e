"""Templates where they are found: those of the file itself, and those of the files that it includes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from flowrunner.errors import Span, near
from flowrunner.model import Type
from flowrunner.pipeline.devices import Role
from flowrunner.pipeline.plan import FileFacts, Scope
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Scalar


@dataclass(frozen=True, slots=True)
class Template:
    """A template, compiled once: `scope` has its paths as if it stood alone.

    `accepts` is the model that a call's inputs must fit; `paths` are those that are files or directories, `files` the
    facts of the defaults among them. `roles` are the devices that it asks for. Relative paths start at `home`.
    """

    key: Span
    accepts: type[BaseModel]
    paths: Map[str, Literal["file", "directory"]]
    files: Map[str, FileFacts]
    roles: Map[str, Role]
    scope: Scope
    outputs: Map[str, Type]
    home: Path


Make = Callable[["Library", str, Scalar, Mapping], Template | None]
"""Compiles a template of a library; None when it is no good, which is noted."""


@dataclass(slots=True)
class Library:
    """One file: its name in spans, its text, its folder, the templates that it declares, the files that it includes.

    An alias without a library is one that could not be included, and a template without a mapping one whose declaration
    is no good; both are noted.
    """

    problems: Problems
    name: str
    text: str
    folder: Path
    declared: Map[str, tuple[Scalar, Mapping | None]]
    aliases: Map[str, Library | None]
    make: Make
    _made: dict[str, Template | None] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def find(self, name: str, where: Span) -> Template | None:
        """The template that is called `name` here, such as `boot` or `hil.boot`; None when there is none, as noted."""
        alias, dot, own = name.partition(".")
        if not dot:
            return self._own(name, where, self.names())
        if alias not in self.aliases:
            advice = near(name, self.names()) if self.names() else "name the file under include"
            what = f"nothing is included as '{alias}'"
            self.problems.add(what, code="unknown-template", where=where, help=advice)
            return None
        library = self.aliases[alias]
        return library._own(own, where, list(library.declared), alias) if library else None

    def check(self) -> None:
        """Compile every template of this file."""
        for name, (key, _) in self.declared.items():
            self._own(name, key.where, [])

    def names(self) -> list[str]:
        """All that can be called here."""
        inside = (f"{alias}.{name}" for alias, one in self.aliases.items() if one for name in one.declared)
        return [*self.declared, *inside]

    def _own(self, name: str, where: Span, choices: list[str], alias: str = "") -> Template | None:
        if name not in self.declared:
            what = f"there is no template '{name}'" + (f" in '{alias}'" if alias else "")
            advice = near(name, choices) if choices else "declare it under templates"
            self.problems.add(what, code="unknown-template", where=where, help=advice)
            return None
        if name in self._open:
            chain = " calls ".join([*self._open[self._open.index(name) :], name])
            what, advice = f"the template '{name}' calls itself", f"{chain}: a template must come to an end"
            self.problems.add(what, code="call-cycle", where=where, help=advice)
            return None
        if name not in self._made:
            key, node = self.declared[name]
            self._open.append(name)
            self._made[name] = self.make(self, name, key, node) if node else None
            self._open.pop()
        return self._made[name]
