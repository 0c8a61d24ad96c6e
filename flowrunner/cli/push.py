"""`flow push`: put templates into a registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import reporting
from flowrunner.cli.registries import Cacert, Insecure, Username, access_of, pushed
from flowrunner.errors import PipelineError
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.oci import KIND
from flowrunner.registry.reference import Reference


def push(
    folder: Annotated[Path, typer.Argument(help="A folder of files with templates", exists=True, file_okay=False)],
    reference: Annotated[str, typer.Argument(help="Where, such as registry.example.com/flows/oem:1.4")],
    username: Username = None,
    insecure: Insecure = False,
    cacert: Cacert = None,
) -> None:
    """Push a folder of templates to a registry, checked, for 'include' by oci; prints how it is pinned.

    The password comes from OCI_PASSWORD, or is that of 'podman login', 'docker login' or 'oras login'.
    """
    with reporting():
        target, access = Reference.parse(reference), access_of(username, insecure, cacert)
        files = sorted(folder.rglob("*.yaml"))
        if not files:
            help = "a library is a file with templates, and its name ends in .yaml"
            raise PipelineError(f"there is no .yaml file in {folder}", code="usage", help=help)
        for path in files:
            compile(path, environment=os.environ, complete=False)
        typer.echo(pushed(folder, target, access, noun="library", kind=KIND))
