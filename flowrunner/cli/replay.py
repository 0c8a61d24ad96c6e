"""`flow replay`: a pipeline against the recording of a run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from flowrunner.cli.common import (
    EXIT_ERRORED,
    EXIT_USAGE,
    Format,
    FormatOption,
    Inputs,
    InputsFile,
    RunName,
    RunsFolder,
    SecretsFile,
    pairs,
    reporting,
)
from flowrunner.cli.telling import reported
from flowrunner.pipeline.compiler import compile
from flowrunner.replay.again import environment_of, origin, pipeline_of
from flowrunner.replay.play import Player
from flowrunner.replay.tape import Tape
from flowrunner.report.display import display
from flowrunner.report.runs import resolve_run


def replay(
    run: RunName = "last",
    pipeline: Annotated[
        Path | None, typer.Argument(help="The pipeline to run [default: the run's own]", show_default=False)
    ] = None,
    speed: Annotated[
        float | None, typer.Option("--speed", min=0.01, help="So many times as fast as then [default: at once]")
    ] = None,
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    runs: RunsFolder = Path("runs"),
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines also on a terminal")] = False,
    console: Annotated[bool, typer.Option("--console", help="Show all console output", envvar="FLOW_CONSOLE")] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run a pipeline against the recording of a run, without any device; for a replay that is the run that it is of.

    Exit status: that of the pipeline, as with flow run; 2 when it asks for something that the recording does not have.
    """
    with reporting(format), TemporaryDirectory(prefix="flow-replay-") as folder:
        tape = Tape(origin(resolve_run(run, runs), runs))
        path = pipeline or pipeline_of(tape, Path(folder))
        environment = environment_of(tape, os.environ)
        compiled = compile(
            path, inputs=pairs(input), inputs_file=inputs_file, environment=environment, secrets_file=secrets_file
        )
        player = Player(tape, compiled.plan, compiled.secrets, runs, environment=environment)
        start = time.monotonic()
        with display(player.runner.folder, plain=plain, console=console, sources=compiled.plan.sources) as listener:
            played = player.play([listener], speed=speed)
            unwritten = reported(played.finished.folder)
    for line in played.words(time.monotonic() - start):
        typer.echo(line)
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(EXIT_USAGE if played.unanswered else played.finished.exit or (EXIT_ERRORED if unwritten else 0))
