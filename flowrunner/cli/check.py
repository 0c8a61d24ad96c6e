"""`flow check`: compile only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import (
    EXIT_USAGE,
    Format,
    FormatOption,
    Frozen,
    Inputs,
    InputsFile,
    SecretsFile,
    pairs,
    reporting,
    say,
)
from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.plan import Plan


def check(
    pipelines: Annotated[list[Path], typer.Argument(help="Pipeline files", show_default=False)],
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    frozen: Frozen = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Check pipelines without touching a device: names, types, units, expressions, all errors at once."""
    errors: list[PipelineError] = []
    sources: dict[str, str] = {}
    with reporting(format):
        inputs = pairs(input)
        for path in pipelines:
            try:
                compiled = compile(
                    path, inputs=inputs, inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file,
                    complete=False, frozen=frozen,
                )  # fmt: skip
            except PipelineErrors as found:
                errors += found.errors
                sources |= found.sources
                continue
            for warning in compiled.warnings:
                typer.echo(f"warning: {warning}", err=True)
            if format is Format.TEXT:
                typer.echo(f"{path}: ok, {_size(compiled.plan)}")
    if errors or format in (Format.JSON, Format.GITLAB):
        say(PipelineErrors(errors), format, sources)
    if errors:
        raise typer.Exit(EXIT_USAGE)


def _size(plan: Plan) -> str:
    steps = sum(1 for _ in plan.walk())
    return f"{steps} steps" if plan.runs else "only templates"
