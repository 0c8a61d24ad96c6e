"""`flow resume`: go on with a run that ended early."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from flowrunner.cli.common import EXIT_ERRORED, Exporters, LabOption, RunName, RunsFolder, SecretsFile, reporting
from flowrunner.cli.executing import execute, options
from flowrunner.cli.past import lab_of, pipeline_of
from flowrunner.cli.reach import Authority, Insecure, Passphrase, PassphraseFile, Pin, ServerName, access
from flowrunner.engine.resume import facts_of, inputs_of
from flowrunner.engine.resume import resume as resume_run
from flowrunner.engine.run import Runner
from flowrunner.pipeline.compiler import compile
from flowrunner.report.display import display
from flowrunner.report.runs import resolve_run


def resume(
    run: RunName = "last",
    runs: RunsFolder = Path("runs"),
    secrets_file: SecretsFile = None,
    lab: LabOption = None,
    exporter: Exporters = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although something is not as it was")] = False,
    fsync: Annotated[bool, typer.Option(help="Make each journal entry durable before going on")] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines also on a terminal")] = False,
    console: Annotated[bool, typer.Option("--console", help="Show all console output", envvar="FLOW_CONSOLE")] = False,
) -> None:
    """Go on with a run that was killed, canceled, paused, or did not pass.

    Steps that passed are not done again, but for those whose effect on a device was lost with its lease. The pipeline,
    its inputs and the devices must be what they were. Exit statuses are those of 'flow run'.
    """
    with reporting():
        folder = resolve_run(run, runs)
        facts = facts_of(folder)
        given = inputs_of(facts)
        compiled = compile(
            pipeline_of(facts), inputs=given, environment=os.environ, secrets_file=secrets_file,
            frozen=bool(facts.get("frozen")),
        )  # fmt: skip
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file, passphrase)
        bench = lab_of(facts, lab, exporter, said)
        anyio.run(bench.look, tuple(compiled.plan.requests()))
        past = anyio.run(partial(resume_run, folder, compiled.plan, bench, force=force))
        how = options(bench, fsync=fsync, record=False, ci=bool(os.environ.get("CI")), images=compiled.images)
        runner = Runner(compiled.plan, compiled.secrets, bench, folder.parent, how, past)
        show = partial(display, plain=plain, console=console)
        finished, unwritten = anyio.run(execute, runner, bench, compiled.plan, show)
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(finished.exit or (EXIT_ERRORED if unwritten else 0))
