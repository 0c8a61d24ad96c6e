"""`flow.lock`: what the moving names of a folder's pipelines stood for when somebody last looked at them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from flowrunner.errors import BenchError, PipelineError, PipelineErrors, Span
from flowrunner.model import Model
from flowrunner.pipeline.fit import Fitter
from flowrunner.pipeline.pinned import Pin
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Node, load
from flowrunner.source.writing import dump

NAME = "flow.lock"
HEAD = "# Written by 'flow lock'. 'flow run --frozen' refuses whatever is not so.\n"


class LockedInclude(Model):
    """Content that pipelines include from."""

    pin: Pin
    """The commit, or the digest of the artifact."""

    files: dict[str, str] = {}
    """The SHA-256 of each file that was read of it."""


class Lock(Model):
    """What is in the file. Names are those of the pipelines, such as `https://example.com/flows.git@v2`."""

    lock: Literal[1]
    """The version of this format."""

    pipelines: list[str] = []
    """The pipelines that it is of, in its folder."""

    includes: dict[str, LockedInclude] = {}
    """What they include from elsewhere."""

    images: dict[str, str] = {}
    """The digest of each image from elsewhere, as it is stored there."""

    plugins: dict[str, str] = Field(default={})
    """The versions of the packages that their actions come from."""

    def write(self, folder: Path) -> None:
        """Replace the file in `folder`; it is whole at any time.

        Raises:
            BenchError: it cannot be written.
        """
        data = self.model_dump(exclude={"lock"})
        rest = {name: value for name, value in data.items() if value}
        part = folder / f".{NAME}.{os.getpid()}"
        try:
            part.write_text(HEAD + dump({"lock": self.lock, **rest}))
            part.replace(folder / NAME)
        except OSError as error:
            raise BenchError(f"{folder / NAME} could not be written: {error.strerror}", blame="config") from error
        finally:
            part.unlink(missing_ok=True)

    def differences(self, newer: Lock) -> Iterator[str]:
        """What is not the same in `newer`, a line each."""
        mine, other = dict(_entries(self)), dict(_entries(newer))
        for name in sorted({*mine, *other}):
            before, after = mine.get(name), other.get(name)
            if before is None:
                yield f"+ {name}: {after}"
            elif after is None:
                yield f"- {name}: {before}"
            elif before != after:
                yield f"~ {name}: {before} -> {after}"


def _entries(lock: Lock) -> Iterator[tuple[str, str]]:
    for name in lock.pipelines:
        yield f"pipeline {name}", "locked"
    for name, found in lock.includes.items():
        yield f"include {name}", found.pin
        yield from ((f"file {name}:{path}", digest) for path, digest in found.files.items())
    yield from ((f"image {name}", digest) for name, digest in lock.images.items())
    yield from ((f"plugin {name}", version) for name, version in lock.plugins.items())


@dataclass(frozen=True, slots=True)
class Held:
    """A lock, and where its entries stand."""

    lock: Lock
    root: Mapping
    name: str

    def where(self, *keys: str) -> Span:
        """The place of an entry, or of the nearest one around it."""
        node: Node = self.root
        for key in keys:
            inner = node.get(key) if isinstance(node, Mapping) else None
            if inner is None:
                break
            node = inner
        return node.where


def read_lock(folder: Path) -> Held | None:
    """The lock of the pipelines in `folder`; None when there is none.

    Raises:
        PipelineErrors: it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    document, problems = load(path), Problems()
    problems.sources[document.name] = document.text
    advice = "write it anew with 'flow lock'"
    if not isinstance(document.root, Mapping):
        problems.add(f"{document.name} is no lock", code="unreadable", where=None, help=advice)
        problems.raise_all()
        raise AssertionError
    fitted = Fitter(problems, Lock, document.root, lambda scalar, path: None, label="a lock").fit()
    problems.raise_all()
    assert fitted.model
    return Held(fitted.model, document.root, document.name)


def locked(path: Path) -> Held:
    """The lock that the pipeline in the file `path` must be as.

    Raises:
        PipelineErrors: there is none, or it is not of this pipeline.
    """
    held, advice = read_lock(path.parent), f"write it with 'flow lock {path}'"
    if held is None:
        error = PipelineError(f"there is no {NAME} beside {path.name}", code="not-locked", help=advice)
        raise PipelineErrors([error])
    if path.name not in held.lock.pipelines:
        what = f"{path.name} is not in {held.name}"
        raise PipelineErrors([PipelineError(what, code="not-locked", where=held.where("pipelines"), help=advice)])
    return held


def merged(pipelines: Sequence[str], locks: Sequence[Lock]) -> Lock:
    """One lock for pipelines of one folder."""
    includes: dict[str, LockedInclude] = {}
    for lock in locks:
        for name, found in lock.includes.items():
            files = {**(includes[name].files if name in includes else {}), **found.files}
            includes[name] = LockedInclude(pin=found.pin, files=dict(sorted(files.items())))
    images = {name: digest for lock in locks for name, digest in lock.images.items()}
    plugins = {name: version for lock in locks for name, version in lock.plugins.items()}
    return Lock(
        lock=1, pipelines=sorted(pipelines), includes=dict(sorted(includes.items())),
        images=dict(sorted(images.items())), plugins=dict(sorted(plugins.items())),
    )  # fmt: skip
