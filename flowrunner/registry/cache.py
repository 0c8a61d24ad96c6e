"""Artifacts of registries on this machine's disk: each once, by its digest."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from flowrunner.registry.reference import Access, Reference


def cached(reference: Reference, access: Access, cache: Path, *, noun: str, refresh: bool = False) -> tuple[Path, str]:
    """The folder of an artifact, and its digest. A pinned one that is there needs no registry; a tag is asked for.

    `noun` is what it is for people. Blocks.

    Raises:
        BenchError: the registry does not answer, refuses, or has something else.
    """
    if reference.digest and (there := _place(cache, reference.digest)).is_dir() and not refresh:
        return there, reference.digest
    from flowrunner.registry.artifacts import Artifacts  # oras takes 0.2 s to import

    with Artifacts(reference, access, noun) as artifacts:
        manifest, digest = artifacts.manifest()
        place = _place(cache, digest)
        if place.is_dir() and not refresh:
            return place, digest
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="pull-", dir=cache))
        try:
            artifacts.fetch(manifest, scratch)
            if refresh:
                shutil.rmtree(place, ignore_errors=True)
            _keep(scratch, place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place, digest


def _keep(scratch: Path, place: Path) -> None:
    try:
        scratch.rename(place)
    except OSError:
        if not place.is_dir():  # somebody else was faster with the same content
            raise


def _place(cache: Path, digest: str) -> Path:
    return cache / digest.replace(":", "-")
