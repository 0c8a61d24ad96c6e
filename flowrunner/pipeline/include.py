"""`include`: files whose templates can be called. They are read once each, however often they are included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Mapping as Map
from pathlib import Path

from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.pipeline.fit import Fitted, Fitter
from flowrunner.pipeline.inputs import entries
from flowrunner.pipeline.library import Library, Make
from flowrunner.pipeline.place import Place
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.reuse_keys import IncludeKeys
from flowrunner.source import Document, Mapping, Node, Scalar, load
from flowrunner.source.overlay import read_bytes

DEEPEST = 10
"""How many files deep includes may go."""

MOST = 500
"""Files that one pipeline may include."""

Fetch = Callable[[Fitted[IncludeKeys]], Place]
"""Brings a file from elsewhere to this machine.

Raises:
    PipelineError: it could not be had.
"""

HeadCheck = Callable[[Document], Mapping | None]
"""Checks the head of an included file; None when it is no good, which is noted."""


class Includes:
    """The files of one pipeline."""

    def __init__(self, problems: Problems, make: Make, check: HeadCheck, fetchers: Map[str, Fetch]) -> None:
        """`make` compiles a template; `fetchers` bring files from elsewhere, by the key that names them."""
        self._problems = problems
        self._make = make
        self._check = check
        self._fetchers = fetchers
        self._loaded: dict[Path, Library | None] = {}
        self._open: list[Place] = []
        self._sums: dict[Path, str] = {}
        self.digests: dict[Place, str] = {}

    def library(self, document: Document, root: Mapping, place: Place) -> Library:
        """The templates of a file and of what it includes."""
        self._problems.sources[document.name] = document.text
        self._open.append(place)
        aliases = self._aliases(root.get("include"), place)
        self._open.pop()
        declared = self._declared(root.get("templates"))
        return Library(
            self._problems, document.name, document.text, place.disk.parent, declared, aliases, self._make
        )  # fmt: skip

    def _declared(self, node: Node | None) -> dict[str, tuple[Scalar, Mapping | None]]:
        found = entries(self._problems, node, "templates", "the steps", "{steps: [...]}")
        good = {name: mapping for name, _, mapping in found}
        keys = node.entries if isinstance(node, Mapping) else ()
        return {str(key.value): (key, good.get(str(key.value))) for key, _ in keys}

    def _aliases(self, node: Node | None, around: Place) -> dict[str, Library | None]:
        found: dict[str, Library | None] = dict.fromkeys(
            str(key.value) for key, _ in (node.entries if isinstance(node, Mapping) else ())
        )
        named = entries(self._problems, _whole(node), "include", "a file", "{file: lib/hil.yaml}")
        for alias, key, value in named:
            label = f"the include '{alias}'"
            keys = Fitter(self._problems, IncludeKeys, value, lambda scalar, path: None, label=label, anchor=key).fit()
            if keys.model and self._is_whole(keys, label, key):
                found[alias] = self._included(keys, around, key)
        return found

    def _is_whole(self, keys: Fitted[IncludeKeys], label: str, key: Span) -> bool:
        """Whether it says exactly one place, and all of it."""
        sources = [name for name in ("file", "git", "oci") if keys.get(name)]
        if len(sources) != 1:
            what = f"{label} is {' and '.join(sources)} at once" if sources else f"{label} names no file"
            where = keys.places[(sources[1],)] if sources else key
            self._problems.add(what, code="bad-value", where=where, help="give it one of file, git, oci")
            return False
        wanted = {"file": (), "git": ("ref", "path"), "oci": ("path",)}[sources[0]]
        missing = [name for name in wanted if sources[0] == "git" and not keys.get(name)]
        extra = [name for name in ("ref", "path") if keys.get(name) and name not in wanted]
        if missing:
            what, advice = f"{label} needs the key '{missing[0]}'", "a ref is a tag, branch or commit; path is the file"
            self._problems.add(what, code="missing-key", where=key, help=advice)
        if extra:
            what = f"an include by {sources[0]} has no key '{extra[0]}'"
            self._problems.add(what, code="unknown-key", where=keys.places[(extra[0],)])
        return not missing and not extra

    def _included(self, keys: Fitted[IncludeKeys], around: Place, key: Span) -> Library | None:
        where = next(keys.places[(name,)] for name in ("file", "git", "oci") if (name,) in keys.places)
        try:
            place = self._place(keys, around, where)
            self._bounds(place, where)
            library = self._read(place, where)
            if keys.get("digest") and not keys.get("oci"):
                self._compare(keys.get("digest"), place, keys.places[("digest",)])
        except PipelineError as error:
            self._problems.take(error)
            return None
        return library

    def _place(self, keys: Fitted[IncludeKeys], around: Place, where: Span) -> Place:
        path = keys.get("file")
        if path is None:
            place = self._fetchers["git" if keys.get("git") else "oci"](keys)
            path = place.path
        else:
            place = around.beside(path)
        if place.allowed():
            return place
        what = f"'{path}' lies outside of {place.origin.rstrip(':')}"
        raise PipelineError(
            what, code="outside", where=where, help="what comes from elsewhere reads only its own files"
        )

    def _bounds(self, place: Place, where: Span) -> None:
        open_names = [one.name for one in self._open]
        if any(one.disk.resolve() == place.disk.resolve() for one in self._open):
            chain = " includes ".join([*open_names, place.name])
            raise PipelineError(f"{_written(place)} includes itself", code="include-cycle", where=where, help=chain)
        if len(self._open) > DEEPEST:
            what = f"includes may be {DEEPEST} files deep"
            raise PipelineError(what, code="too-deep", where=where, help=" includes ".join(open_names))
        if len(self._loaded) >= MOST:
            raise PipelineError(f"a pipeline may include {MOST} files", code="too-deep", where=where)

    def _read(self, place: Place, where: Span) -> Library | None:
        identity = place.disk.resolve()
        if identity in self._loaded:
            return self._loaded[identity]
        self._problems.chains[place.name] = (where, *self._problems.chains.get(where.file, ()))
        self._loaded[identity] = None
        try:
            data = read_bytes(place.disk)
            document = load(place.disk, name=place.name)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            what = f"{_written(place)} could not be read: {reason}"
            raise PipelineError(
                what, code="unreadable", where=where, help="a path starts at its file's folder"
            ) from error
        except PipelineErrors as several:
            for one in several.errors:
                self._problems.take(one)
            return None
        self._sums[identity] = self.digests[place] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._problems.sources[place.name] = document.text
        root = self._check(document)
        if root is not None:
            self._loaded[identity] = self.library(document, root, place)
        return self._loaded[identity]

    def _compare(self, expected: str, place: Place, where: Span) -> None:
        found = self._sums.get(place.disk.resolve(), expected)
        if found != expected:
            raise PipelineError(
                f"{_written(place)} is not the file that was meant: its digest differs", code="digest-mismatch",
                where=where, help=f"it is {found} now; look at what changed before you write that here",
            )  # fmt: skip


def _written(place: Place) -> str:
    """The file as people call it: the end of its path."""
    return f"'{Path(place.path).name}'"


def _whole(node: Node | None) -> Node | None:
    """`node` with each bare path written out."""
    if not isinstance(node, Mapping):
        return None
    whole = []
    for key, value in node.entries:
        short = isinstance(value, Scalar) and isinstance(value.value, str)
        name = Scalar("file", key.where, "file", plain=True)
        whole.append((key, Mapping(((name, value),), value.where) if short else value))
    return Mapping(tuple(whole), node.where)
