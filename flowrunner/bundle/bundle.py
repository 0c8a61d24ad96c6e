"""A bundle that is on this machine's disk: from a folder, from a tar, or from a registry."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from flowrunner.bundle.manifest import NAME, Loaded, Manifest, load_manifest
from flowrunner.errors import BenchError, near
from flowrunner.registry.cache import cached
from flowrunner.registry.reference import Access, Reference

KIND = "application/vnd.jumpstarter.flasher-bundle.v1"
"""The media type of a bundle in a registry."""

TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle; `origin` is how it was asked for, `digest` that of its OCI manifest, if it has one."""

    folder: Path
    manifest: Manifest
    origin: str
    digest: str | None = None

    def target(self, name: str | None) -> tuple[str, str]:
        """The name and the place of a target; None is the default one, or the only one.

        Raises:
            BenchError: there is no such target, or it is not clear which one is meant.
        """
        spec = self.manifest.spec
        wanted = name or spec.default_target or (next(iter(spec.targets)) if len(spec.targets) == 1 else None)
        if wanted is None:
            raise BenchError("several targets can be flashed, and none was named", blame="config",
                             help="set target to one of: " + ", ".join(spec.targets))  # fmt: skip
        if wanted not in spec.targets:
            what = f"bundle '{self.manifest.metadata.name}' has no target '{wanted}'"
            raise BenchError(what, blame="config", help=near(wanted, spec.targets))
        return wanted, spec.targets[wanted]

    def device_tree(self, variant: str | None) -> Loaded | None:
        """The device tree of a variant; None when the bundle has none.

        Raises:
            BenchError: there is no such variant.
        """
        dtb = self.manifest.spec.dtb
        if variant is not None and (dtb is None or variant not in dtb.variants):
            known = dtb.variants if dtb else ()
            what = f"bundle '{self.manifest.metadata.name}' has no variant '{variant}'"
            raise BenchError(what, blame="config", help=near(variant, known))
        if dtb is None:
            return None
        chosen = dtb.variants.get(variant or dtb.default)
        fallback = dtb.variants.get(dtb.default)
        file = (chosen and chosen.file) or (fallback and fallback.file) or (None if dtb.variants else dtb.default)
        return Loaded(file=file, address=dtb.address) if file else None

    def bootcmd(self, variant: str | None) -> str:
        """What starts a variant."""
        spec = self.manifest.spec
        chosen = spec.dtb.variants.get(variant or spec.dtb.default) if spec.dtb else None
        return (chosen and chosen.bootcmd) or spec.bootcmd


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/flowrunner/bundles`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner" / "bundles"


async def open_bundle(
    text: str, *, base: Path, access: Access | None = None, cache: Path | None = None, manifest: str = NAME,
    refresh: bool = False,
) -> Bundle:  # fmt: skip
    """The bundle that `text` means: a folder or tar, relative to `base`, or a reference such as `registry/name:tag`.

    What came from a registry or out of a tar is kept in `cache`, by its digest; `refresh` fetches it anew.

    Raises:
        BenchError: it is not there, or cannot be read.
        PipelineErrors: its manifest is wrong.
    """
    path = (base / text).expanduser()
    digest: str | None = None
    if path.is_dir():
        folder = path
    elif path.is_file():
        folder = await anyio.to_thread.run_sync(_unpacked, path, cache or default_cache())
    elif text.startswith((".", "/", "~")) or text.endswith(TARS):
        raise BenchError(f"there is no bundle '{path}'", blame="config", help="it is a folder or a tar")
    else:
        reference = Reference.parse(text)
        pull = partial(cached, reference, access or Access.found(), cache or default_cache(), noun="bundle")
        folder, digest = await anyio.to_thread.run_sync(partial(pull, refresh=refresh))
    return Bundle(folder, await anyio.to_thread.run_sync(_manifest, folder, manifest, text), text, digest)


def _manifest(folder: Path, name: str, origin: str) -> Manifest:
    if not (folder / name).is_file():
        raise BenchError(
            f"bundle '{origin}' has no {name}", blame="config", help="a bundle is a folder with a manifest"
        )
    return load_manifest(folder / name, folder)


def _unpacked(path: Path, cache: Path) -> Path:
    """The folder of a tar: unpacked once, as long as the file is the same."""
    stat = path.stat()
    place = cache / f"tar-{stat.st_dev:x}-{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="tar-", dir=cache))
    try:
        with tarfile.open(path) as tar:
            tar.extractall(scratch, filter="data")
        scratch.rename(place)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BenchError(f"'{path}' is no tar that can be unpacked: {error}", blame="config") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place
