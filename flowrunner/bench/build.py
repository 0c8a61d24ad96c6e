"""From a checked exporter to its tree of drivers. Making one touches no device."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from flowrunner.bench.aliases import PROXIES, driver_type
from flowrunner.bench.checked import Place, checked, find, key_place
from flowrunner.bench.composite import Composite, CompositeConfig
from flowrunner.bench.config import Entry, Source
from flowrunner.bench.part import Part, join
from flowrunner.driver import Config, Driver
from flowrunner.errors import FlowrunnerError, PipelineError, PipelineErrors, near
from flowrunner.source import Mapping

STEPS = 200
"""A reference that needs more steps than this is taken for a circle."""


NAMES = "use letters, digits, _ and -"


class _BrokenError(Exception):
    """A part that cannot be made; what is wrong is noted already."""


class Builder:
    """Makes each part once, those that others refer to first. `order` is the order in which they were made."""

    def __init__(self, source: Source) -> None:
        """Lay out the entries by path; nothing is made yet."""
        self.errors: list[PipelineError] = []
        self.order: list[Part] = []
        self._root = source.node
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, Place] = {}
        self._made: dict[str, Part] = {}
        self._busy: set[str] = set()
        self._broken: set[str] = set()
        self._top = tuple(source.exporter.export)
        self._lay_out("", source.exporter.export, ("export",))

    def build(self) -> Part:
        """The root of the tree.

        Raises:
            PipelineErrors: all that is wrong with the exporter.
        """
        children = {name: part for name in self._top if (part := self._attempt(name))}
        if self.errors:
            raise PipelineErrors(self.errors)
        root = Part("", "", "", "composite", Composite(CompositeConfig()), children)
        self.order.append(root)
        return root

    def _lay_out(self, path: str, entries: dict[str, Entry], place: Place) -> None:
        for name, entry in entries.items():
            here = join(path, name)
            self._entries[here], self._places[here] = entry, (*place, name)
            self._lay_out(here, entry.children or {}, (*place, name, "children"))

    def _attempt(self, path: str) -> Part | None:
        try:
            return self._part(path)
        except _BrokenError:
            self._broken.add(path)
            return None

    def _part(self, path: str) -> Part:
        """The part at `path`, made when first asked for."""
        if path in self._broken:
            raise _BrokenError
        if path not in self._made:
            self._busy.add(path)
            try:
                self._made[path] = self._make(path, self._entries[path], self._places[path])
            finally:
                self._busy.discard(path)
        return self._made[path]

    def _make(self, path: str, entry: Entry, place: Place) -> Part:
        name = str(place[-1])
        if not re.fullmatch(r"\w[\w-]*", name):
            where = key_place(self._root, place)
            self.errors.append(PipelineError(f"'{name}' cannot name a part", code="bad-name", where=where, help=NAMES))
            raise _BrokenError
        ref = self._ref(entry, place)
        if ref is not None:
            return replace(self._follow(entry, ref, place), name=name, path=path)
        if entry.type is None and (entry.config is not None or not entry.children):
            raise self._wrong(f"'{path}' has no type", "missing-key", place, "give it type, or children, or ref")
        return self._drive(path, entry, place)

    def _drive(self, path: str, entry: Entry, place: Place) -> Part:
        kind, driver_class, config = self._configure(entry, place)
        made = {name: self._attempt(join(path, name)) for name in entry.children or {}}
        children = {name: part for name, part in made.items() if part}
        if config is None or len(children) < len(made):
            raise _BrokenError
        try:
            driver = driver_class(config, {name: part.driver for name, part in children.items()})
        except (FlowrunnerError, ValueError) as error:
            own = error if isinstance(error, FlowrunnerError) else FlowrunnerError(str(error))
            raise self._wrong(own.what, "bad-value", (*place, "config"), own.help) from error
        return self._adopt(Part(path.rpartition(".")[2], path, path, kind, driver, children))

    def _configure(self, entry: Entry, place: Place) -> tuple[str, type[Driver[Any]], Config | None]:
        """The driver's class with its config; None for the config when that is wrong."""
        try:
            kind, driver_class = driver_type(entry.type or "composite")
        except FlowrunnerError as error:
            raise self._wrong(error.what, "unknown-type", (*place, "type"), error.help) from error
        node = find(self._root, (*place, "config"))
        if entry.config is None:
            node = Mapping((), node.where)
        try:
            return kind, driver_class, checked(driver_class.config_model(), node)
        except PipelineErrors as errors:
            self.errors.extend(errors.errors)
            return kind, driver_class, None

    def _adopt(self, part: Part) -> Part:
        """Add what the driver made itself: parts that its entry does not list."""
        for name, driver in part.driver.children.items():
            if name not in part.children:
                here = join(part.path, name)
                part.children[name] = self._adopt(Part(name, here, here, part.type, driver))
        self.order.append(part)
        return part

    def _ref(self, entry: Entry, place: Place) -> str | None:
        if entry.type in PROXIES:
            ref = (entry.config or {}).get("ref")
            if not isinstance(ref, str) or set(entry.config or {}) != {"ref"}:
                raise self._wrong("a proxy's config is one ref", "bad-value", place, "such as {ref: board.power}")
            return ref
        others = [key for key in ("type", "config", "children") if getattr(entry, key) is not None]
        if entry.ref is not None and others:
            raise self._wrong(f"ref and {others[0]} exclude each other", "bad-value", (*place, others[0]), None)
        return entry.ref

    def _follow(self, entry: Entry, ref: str, place: Place) -> Part:
        """The part that `ref` leads to, through other references and into what drivers make themselves."""
        where = (*place, "config", "ref") if entry.type else (*place, "ref")
        names, at = ref.split("."), ""
        for _ in range(STEPS):
            onward = self._ref(self._entries[at], self._places[at]) if at else None
            if onward is not None:
                names, at = [*onward.split("."), *names], ""
            elif names and join(at, names[0]) in self._entries:
                at = join(at, names.pop(0))
            elif at in self._busy:
                break
            else:
                return self._descend(ref, at, names, where)
        raise self._wrong(f"ref '{ref}' leads back to itself", "circular-ref", where, "name the path of a driver")

    def _descend(self, ref: str, at: str, names: list[str], where: Place) -> Part:
        if not at:
            own = ".".join(str(name) for name in where[1::2])
            known = [path for path in self._entries if path != own]
            raise self._wrong(f"ref '{ref}' leads nowhere", "unknown-ref", where, near(ref, known))
        part = self._part(at)
        for name in names:
            if name not in part.children:
                what = f"ref '{ref}' leads nowhere: '{part.path}' has no part '{name}'"
                raise self._wrong(what, "unknown-ref", where, near(name, part.children))
            part = part.children[name]
        return part

    def _wrong(self, what: str, code: str, place: Place, help: str | None) -> _BrokenError:
        self.errors.append(PipelineError(what, code=code, where=find(self._root, place).where, help=help))
        return _BrokenError()
