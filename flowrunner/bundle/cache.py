"""Bundles of registries on this machine's disk: each once, by its digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import anyio.to_thread

from flowrunner.registry.reference import Access, Reference


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/flowrunner/bundles`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner" / "bundles"


async def cached(reference: Reference, access: Access, cache: Path, *, refresh: bool = False) -> tuple[Path, str]:
    """The folder of a bundle, and its digest. A pinned one that is there needs no registry; a tag is always asked for.

    Raises:
        BenchError: the registry does not answer, refuses, or has something else.
    """
    return await anyio.to_thread.run_sync(_cached, reference, access, cache, refresh)


def _cached(reference: Reference, access: Access, cache: Path, refresh: bool) -> tuple[Path, str]:
    if reference.digest and (there := _place(cache, reference.digest)).is_dir() and not refresh:
        return there, reference.digest
    from flowrunner.bundle.registry import Registry  # oras takes 0.2 s to import

    with Registry(reference, access) as registry:
        manifest, digest = registry.manifest()
        place = _place(cache, digest)
        if place.is_dir() and not refresh:
            return place, digest
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="pull-", dir=cache))
        try:
            registry.fetch(manifest, scratch)
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
