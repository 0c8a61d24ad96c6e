"""`flow schema`: JSON Schemas for editors and validators."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import EXIT_USAGE, LabOption, reporting
from flowrunner.errors import PipelineError, near
from flowrunner.lab.discover import discover
from flowrunner.lab.schema import schemas
from flowrunner.pipeline.own_schema import own_schema
from flowrunner.pipeline.shapes import Schema


def schema(
    name: Annotated[str, typer.Argument(help="pipeline, lab, exporter, bundle, actions/NAME ...")] = "pipeline",
    write: Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write all of them there")] = None,
    own: Annotated[
        list[Path] | None, typer.Option("--for", metavar="PIPELINE", help="One that knows this pipeline's templates")
    ] = None,
    lab: LabOption = None,
) -> None:
    """Print one JSON Schema, or write them all.

    One that is --for a pipeline also knows the templates that it can call with their inputs, also of included files,
    the devices that it declares, and the labels of its lab; --write puts it into FOLDER/for and tells the line for the
    head of the pipeline.
    """
    with reporting():
        mine = {path: own_schema(path, os.environ, _selectors(path, lab)) for path in own or ()}
        if write:
            for kind, make in schemas().items():
                _write(write / f"{kind}.json", make())
            for path, found in mine.items():
                _write(place := write / "for" / f"{path.stem}.json", found)
                link = Path(os.path.relpath(place, path.parent)).as_posix()
                typer.echo(f"{path} begins with: # yaml-language-server: $schema={link}")
            return
        if mine:
            if len(mine) > 1:
                help = "write them: --write FOLDER"
                raise PipelineError("schemas of several pipelines cannot be printed", code="usage", help=help)
            typer.echo(json.dumps(*mine.values(), indent=2))
            return
        if name not in schemas():
            typer.echo(f"there is no schema '{name}': {near(name, schemas())}", err=True)
            raise typer.Exit(EXIT_USAGE)
        typer.echo(json.dumps(schemas()[name](), indent=2))


def _write(path: Path, schema: Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema, indent=2) + "\n")
    typer.echo(f"wrote {path}")


def _selectors(pipeline: Path, lab: str | None) -> set[str]:
    """What a label of the lab's exporters is selected by."""
    found = discover(pipeline, lab=lab, environment=os.environ).catalogue.exporters
    return {f"{name}={value}" for exporter in found for name, value in exporter.own_labels.items()}
