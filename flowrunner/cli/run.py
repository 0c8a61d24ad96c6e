"""`flow run`: a pipeline from its file to its exit status."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from flowrunner.cli.common import (
    EXIT_ERRORED,
    Exporters,
    Format,
    FormatOption,
    Frozen,
    Inputs,
    InputsFile,
    LabOption,
    PipelineFile,
    RunsFolder,
    SecretsFile,
    pairs,
    reporting,
)
from flowrunner.cli.executing import execute, options, ready
from flowrunner.cli.parts import After, Durations, Ending, Jobs, Shard, chosen, needs_of
from flowrunner.cli.reach import Authority, Insecure, Passphrase, PassphraseFile, Pin, ServerName, access
from flowrunner.cli.soak import soak
from flowrunner.cli.steps import Begin, Only, Repeat, SkipTags, Tags, UntilFailure, selected
from flowrunner.cli.telling import CiOption, tell_about
from flowrunner.engine.run import Runner
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from flowrunner.report.display import display
from flowrunner.report.tell.surroundings import System, surroundings


def run(
    pipeline: PipelineFile,
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    frozen: Frozen = False,
    lab: LabOption = None,
    exporter: Exporters = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
    runs: RunsFolder = Path("runs"),
    begin: Begin = None,
    only: Only = None,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    repeat: Repeat = None,
    until_failure: UntilFailure = False,
    job: Jobs = None,
    ending: Ending = False,
    after: After = None,
    shard: Shard = None,
    durations: Durations = None,
    update_snapshots: Annotated[
        bool, typer.Option("--update-snapshots", help="Write goldens from what is seen, instead of comparing")
    ] = False,
    fsync: Annotated[bool, typer.Option(help="Make each journal entry durable before going on")] = True,
    record: Annotated[
        bool, typer.Option(help="Record what the devices do, so that 'flow replay' can run without them")
    ] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines also on a terminal")] = False,
    console: Annotated[bool, typer.Option("--console", help="Show all console output", envvar="FLOW_CONSOLE")] = False,
    ci: CiOption = System.AUTO,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run a pipeline.

    Exit status: 0 passed, 1 failed (the product), 2 cannot run as written, 3 errored (the lab), 4 canceled.
    """
    around = surroundings(ci, os.environ)
    with reporting(format):
        compiled = compile(
            pipeline, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file,
            frozen=frozen,
        )  # fmt: skip
        for warning in compiled.warnings:
            typer.echo(f"warning: {warning}", err=True)
        plan, steps, left_out = selected(compiled.plan, begin, only or (), tags, skip_tags)
        part = chosen(plan, job or (), ending, after or (), shard, durations)
        needed = needs_of(plan, part)
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file, passphrase)
        bench = discover(pipeline, lab=lab, exporters=exporter or (), environment=os.environ, access=said)
        how = partial(
            options, bench, fsync=fsync, update_snapshots=update_snapshots, record=record, part=part, steps=steps,
            left_out=left_out, ci=bool(around.get("CI")), images=compiled.images,
        )  # fmt: skip

        def runner() -> Runner:
            return Runner(plan, compiled.secrets, bench, runs, how())

        if repeat is not None or until_failure:
            look = partial(ready, bench=bench, plan=needed)
            work = partial(soak, runner, look, runs, most=repeat, until_failure=until_failure)
            raise typer.Exit(anyio.run(work))
        show = partial(display, plain=plain, console=console, environment=around)
        finished, unwritten = anyio.run(execute, runner(), bench, needed, show)
        unwritten = unwritten or tell_about(finished.folder, around)
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(finished.exit or (EXIT_ERRORED if unwritten else 0))
