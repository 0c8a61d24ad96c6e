"""`flow-vendor`: content from elsewhere that lies beside the pipelines which include it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from flowrunner.errors import BenchError, PipelineError
from flowrunner.model import Model
from flowrunner.pipeline.fit import Fitter
from flowrunner.pipeline.pinned import Pin, Pinned, alone
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping as MappingNode
from flowrunner.source import load
from flowrunner.source.writing import dump

FOLDER = "flow-vendor"
INDEX = "index.yaml"
HEAD = "# Written by 'flow vendor': what pipelines include from elsewhere, so that nobody is asked for it.\n"


def _name(text: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", text):
        facts = {"why": "is the name of one beside the index", "help": "write it anew with 'flow vendor'"}
        raise PydanticCustomError("folder", "{why}", facts)
    return text


class VendoredKeys(Model):
    """One repository or artifact."""

    pin: Pin
    """The commit, or the digest of the artifact."""

    folder: Annotated[str, AfterValidator(_name)]
    """Where its files are, beside this file."""


class IndexKeys(Model):
    """What is in the folder, by the names that pipelines have for it."""

    vendor: Literal[1]
    """The version of this format."""

    includes: dict[str, VendoredKeys] = {}
    """What is there."""


def vendored(folder: Path) -> Mapping[str, Pinned]:
    """What lies beside the pipelines in `folder`, by name.

    Raises:
        PipelineErrors: its index is damaged.
    """
    index = folder / FOLDER / INDEX
    if not index.is_file():
        return {}
    document, problems = load(index), Problems()
    problems.sources[document.name] = document.text
    if not isinstance(document.root, MappingNode):
        what = f"{document.name} is no index"
        problems.take(PipelineError(what, code="unreadable", help=f"remove {FOLDER}, or write it with 'flow vendor'"))
        problems.raise_all()
        return {}
    fitted = Fitter(problems, IndexKeys, document.root, lambda scalar, path: None, label="an index").fit()
    problems.raise_all()
    assert fitted.model
    return {name: Pinned(kept.pin, index.parent / kept.folder) for name, kept in fitted.model.includes.items()}


def vendor(folder: Path, found: Mapping[str, Pinned]) -> Path:
    """Make the folder anew beside the pipelines in `folder`, with all of `found`; it is whole whenever it is there.

    Raises:
        BenchError: it cannot be written.
    """
    try:
        with alone(folder):
            for left in folder.glob(f".{FOLDER}-*"):  # by one that was killed
                shutil.rmtree(left)
            return _made(folder, found)
    except OSError as error:
        what = f"{folder / FOLDER} could not be written: {error.strerror or error}"
        raise BenchError(what, blame="config") from error


def _made(folder: Path, found: Mapping[str, Pinned]) -> Path:
    place = folder / FOLDER
    new = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=folder))
    try:
        new.chmod(0o755)
        index = {}
        for name, pinned in sorted(found.items()):
            own = _folder(name, pinned)
            shutil.copytree(pinned.files, new / own, symlinks=True)
            index[name] = {"pin": pinned.pin, "folder": own}
        (new / INDEX).write_text(HEAD + dump({"vendor": 1, "includes": index}))
        old = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=folder))
        if place.exists():
            place.rename(old / FOLDER)
        new.rename(place)
        shutil.rmtree(old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return place


def _folder(name: str, pinned: Pinned) -> str:
    """A folder's name that tells people what is in it."""
    bare = re.sub(r"[^\w.-]+", "-", re.sub(r"^\w+://", "", name)).strip("-.")
    return f"{bare[:60]}-{pinned.pin.removeprefix('sha256:')[:12]}"
