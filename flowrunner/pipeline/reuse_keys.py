"""The keys of includes and templates as models."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.model import Model, Type
from flowrunner.pipeline.language import DeclaredKeys, ScopeKeys, Steps
from flowrunner.pipeline.marks import APART


def _digest(text: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", text):
        facts = {"why": "is 'sha256:' and 64 hexadecimal digits", "help": "sha256sum prints the digits of a file"}
        raise PydanticCustomError("digest", "{why}", facts)
    return text


class TemplateInputKeys(DeclaredKeys):
    """A value that whoever calls the template gives."""

    type: Type = "string"
    """What the value is; a secret may flow only where secrets may."""


class RoleKeys(Model):
    """A role of a template; the caller says which of its devices fills it."""

    requires: list[str] = []
    """Interfaces that the device must offer, beside those that the steps need."""

    description: str | None = None
    """What it is for."""


class IncludeKeys(Model):
    """A file whose templates can be called under an alias. Nothing else of it is used."""

    file: str | None = Field(default=None, min_length=1)
    """A path; it starts at the folder of the file that it is written in."""

    git: str | None = Field(default=None, min_length=1)
    """The URL of a git repository."""

    ref: str | None = Field(default=None, min_length=1)
    """With `git`: a tag, a branch or a commit."""

    path: str | None = Field(default=None, min_length=1)
    """With `git` or `oci`: the file in there; an artifact of one file needs none."""

    oci: str | None = Field(default=None, min_length=1)
    """An artifact in a registry, such as `registry.example.com/flows/oem:1.4`."""

    digest: Annotated[str, AfterValidator(_digest)] | None = None
    """The SHA-256 that the file must have (with `oci`: the artifact), as `sha256:` and 64 hexadecimal digits."""


class TemplateKeys(ScopeKeys):
    """Steps that are called with inputs and devices; they see nothing else."""

    description: str | None = None
    """What it does."""

    inputs: Annotated[dict[str, Any], APART] = {}
    """Values that the caller gives."""

    steps: Steps
    """What to do, in order."""
