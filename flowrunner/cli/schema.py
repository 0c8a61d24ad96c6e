"""`flow schema`: JSON Schemas for editors and validators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import EXIT_USAGE, reporting
from flowrunner.errors import near
from flowrunner.lab.schema import schemas


def schema(
    name: Annotated[str, typer.Argument(help="pipeline, lab, exporter, bundle, actions/NAME ...")] = "pipeline",
    write: Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write all of them there")] = None,
) -> None:
    """Print one JSON Schema, or write them all."""
    with reporting():
        if write:
            for kind, make in schemas().items():
                path = write / f"{kind}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(make(), indent=2) + "\n")
                typer.echo(f"wrote {path}")
            return
        if name not in schemas():
            typer.echo(f"there is no schema '{name}': {near(name, schemas())}", err=True)
            raise typer.Exit(EXIT_USAGE)
        typer.echo(json.dumps(schemas()[name](), indent=2))
