"""Files of artifacts in OCI registries: pulled by oras, and kept by digest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowrunner.errors import BenchError, PipelineError, Span
from flowrunner.pipeline.fit import Fitted
from flowrunner.pipeline.git import cache_folder
from flowrunner.pipeline.pinned import Pinned
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.place import Place
from flowrunner.pipeline.reuse_keys import IncludeKeys
from flowrunner.registry.cache import cached
from flowrunner.registry.reference import Access, Reference

KIND = "application/vnd.flowrunner.templates.v1"
"""The media type of templates in a registry."""


class Oci:
    """Artifacts that one pipeline includes from. A tag means the same content all through it.

    What has a digest and is in the cache is not asked for again; a tag is asked for each time, for it may move.
    """

    def __init__(self, environment: Mapping[str, str], pins: Pins) -> None:
        """Keep artifacts in the cache that `environment` names, which may have the login, too."""
        self._environment = environment
        self._pins = pins

    def __call__(self, keys: Fitted[IncludeKeys]) -> Place:
        """The file that an include means.

        Raises:
            PipelineError: it could not be had.
        """
        text, where = str(keys.get("oci")), keys.places[("oci",)]
        reference = Reference.match(text)
        if reference is None:
            advice = "such as registry.example.com/flows/oem:1.4"
            raise PipelineError(f"oci needs a reference, got '{text}'", code="bad-value", where=where, help=advice)
        digest = keys.get("digest")
        if digest and reference.digest not in (None, digest):
            what = f"the include names two digests: {digest}, and {reference.digest}"
            raise PipelineError(what, code="bad-value", where=keys.places[("digest",)], help="leave one of them out")
        reference = replace(reference, digest=reference.digest or digest)
        found = self._found(reference, where)
        path = os.path.normpath(keys.get("path") or _only(found.files, reference, where))
        pinned = f"{reference.repository}@{found.pin}:"
        return Place(found.files / path, path, f"{_name(reference)}:", found.files, pinned)

    def _found(self, reference: Reference, where: Span) -> Pinned:
        name = _name(reference)
        kept = self._pins.found.get(name) or self._pins.vendored(name, where)
        if kept is None:
            locked = self._pins.locked(name, where)
            kept = self._pulled(replace(reference, digest=reference.digest or locked), where)
        if reference.digest not in (None, kept.pin):
            what = f"'{name}' is {kept.pin}, not {reference.digest}"
            raise PipelineError(what, code="digest-mismatch", where=where, help="look at what changed")
        self._pins.found[name] = kept
        return kept

    def _pulled(self, reference: Reference, where: Span) -> Pinned:
        folder = cache_folder(self._environment) / "oci"
        try:
            files, digest = cached(reference, Access.found(self._environment), folder, noun="library")
        except ImportError as error:
            what, advice = "includes from registries need oras", "pip install flowrunner[oci]"
            raise PipelineError(what, code="unreachable", where=where, help=advice) from error
        except BenchError as error:
            raise PipelineError(error.what, code="unreachable", where=where, help=error.help) from error
        return Pinned(digest, files)


def _name(reference: Reference) -> str:
    """What is pinned: the tag, or what needs no pin."""
    return str(replace(reference, digest=None) if reference.tag else reference)


def _only(folder: Path, reference: Reference, where: Span) -> str:
    """The file of an artifact that has only one."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
    if len(found) == 1:
        return found[0]
    what = f"'{reference.repository}' has {len(found)} files that may be meant"
    raise PipelineError(what, code="missing-key", where=where, help=f"add path: {' or '.join(found) or 'FILE'}")
