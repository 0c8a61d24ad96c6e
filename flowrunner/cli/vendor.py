"""`flow vendor`: keep what pipelines include from elsewhere beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import Inputs, InputsFile, SecretsFile, pairs, reporting
from flowrunner.cli.lock import folder_of
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.lock import read_lock
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.vendored import vendor as write


def vendor(
    pipelines: Annotated[list[Path], typer.Argument(help="Pipeline files of one folder", show_default=False)],
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
) -> None:
    """Copy what pipelines include from repositories and registries into flow-vendor, for labs without a network.

    From then on it is read from there. What flow.lock names is taken as it says; the folder is made anew each time.
    """
    with reporting():
        folder = folder_of(pipelines)
        held = read_lock(folder)
        pins = Pins(held.lock if held else None, frozen=False, vendored={})
        for path in pipelines:
            compile(
                path, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file,
                complete=False, pins=pins,
            )  # fmt: skip
        place = write(folder, pins.found)
    for name, found in sorted(pins.found.items()):
        typer.echo(f"{name}: {found.pin}")
    typer.echo(f"{place}: {len(pins.found)} from elsewhere")
