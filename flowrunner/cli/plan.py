"""`flow plan`: what a pipeline would do."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from flowrunner.cli.common import (
    Format,
    FormatOption,
    Frozen,
    Inputs,
    InputsFile,
    PipelineFile,
    SecretsFile,
    pairs,
    reporting,
)
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.encode import plan_json
from flowrunner.pipeline.text import plan_text


def plan(
    pipeline: PipelineFile,
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    frozen: Frozen = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON")] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Show what a pipeline would do, checked, without touching a device."""
    with reporting(format):
        compiled = compile(
            pipeline, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file,
            frozen=frozen,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(plan_json(compiled.plan), indent=2, ensure_ascii=False))
    else:
        typer.echo(plan_text(compiled.plan))
