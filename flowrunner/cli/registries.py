"""Options of commands that ask a registry, and pushing to one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.registry.reference import Access, Reference

Username = Annotated[str | None, typer.Option(help="Who we are at the registry", envvar="OCI_USERNAME")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Ask the registry over HTTP")]
Cacert = Annotated[Path | None, typer.Option(help="The certificates that the registry is trusted by", exists=True)]


def access_of(username: str | None, insecure: bool, cacert: Path | None) -> Access:
    """How the registry is read; the password is in `OCI_PASSWORD`."""
    found = Access(username, os.environ.get("OCI_PASSWORD")) if username else Access.found()
    return replace(found, insecure=insecure or None, cacert=str(cacert) if cacert else None)


def pushed(folder: Path, target: Reference, access: Access, *, noun: str, kind: str) -> str:
    """Push a folder; returns the reference that is always this content."""
    from flowrunner.registry.artifacts import Artifacts  # oras takes 0.2 s to import

    with Artifacts(target, access, noun) as artifacts:
        return f"{target.repository}@{artifacts.push(folder, kind)}"
