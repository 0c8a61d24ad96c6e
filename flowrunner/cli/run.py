"""`flow run`: from a file to an outcome."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from flowrunner.cli.asking import asking
from flowrunner.cli.common import (
    EXIT_ERRORED,
    Exporters,
    Format,
    FormatOption,
    Inputs,
    InputsFile,
    LabOption,
    PipelineFile,
    RunsFolder,
    SecretsFile,
    pairs,
    reporting,
)
from flowrunner.cli.reach import Authority, Insecure, Passphrase, PassphraseFile, Pin, ServerName, access
from flowrunner.cli.soak import reported, soak
from flowrunner.engine.fitting import check_lab
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.discover import discover
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.static import StaticLab
from flowrunner.lab.turns import Turns
from flowrunner.pipeline.compiler import Compiled, compile
from flowrunner.pipeline.select import Selection, select
from flowrunner.replay.recorder import Recorder
from flowrunner.report.display import display

EXIT_CANCELED = 4


def run(
    pipeline: PipelineFile,
    input: Inputs = None,
    inputs_file: InputsFile = None,
    secrets_file: SecretsFile = None,
    lab: LabOption = None,
    exporter: Exporters = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
    runs: RunsFolder = Path("runs"),
    begin: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Begin with this step: its id, or its path in the plan")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="STEP", help="Run this step only; may be given several times")
    ] = None,
    tags: Annotated[str | None, typer.Option("--tags", metavar="TAG,...", help="Run steps with one of these")] = None,
    skip_tags: Annotated[
        str | None, typer.Option("--skip-tags", metavar="TAG,...", help="Leave out steps with one of these")
    ] = None,
    repeat: Annotated[
        int | None, typer.Option("--repeat", metavar="N", min=1, help="Run it N times, and tell how that went")
    ] = None,
    until_failure: Annotated[
        bool, typer.Option("--until-failure", help="Run it until it does not pass, or N times with --repeat")
    ] = False,
    update_snapshots: Annotated[
        bool, typer.Option("--update-snapshots", help="Write goldens from what is seen, instead of comparing")
    ] = False,
    fsync: Annotated[bool, typer.Option(help="Make each journal entry durable before going on")] = True,
    record: Annotated[
        bool, typer.Option(help="Record what the devices do, so that 'flow replay' can run without them")
    ] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines also on a terminal")] = False,
    console: Annotated[bool, typer.Option("--console", help="Show all console output", envvar="FLOW_CONSOLE")] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run a pipeline.

    Exit status: 0 passed, 1 failed (the product), 2 cannot run as written, 3 errored (the lab), 4 canceled.
    """
    with reporting(format):
        compiled = compile(
            pipeline, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file
        )
        for warning in compiled.warnings:
            typer.echo(f"warning: {warning}", err=True)
        chosen = Selection(
            begin=begin, only=_words(",".join(only or ())), tags=_words(tags), skip_tags=_words(skip_tags)
        )
        left_out: dict[str, str] = {}
        if chosen:
            plan, left_out = select(compiled.plan, chosen)
            compiled = replace(compiled, plan=plan)
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file, passphrase)
        bench = discover(pipeline, lab=lab, exporters=exporter or (), environment=os.environ, access=said)
        how = partial(
            options, bench, fsync=fsync, update_snapshots=update_snapshots, chosen=chosen, left_out=left_out,
            record=record,
        )  # fmt: skip

        def runner() -> Runner:
            return Runner(compiled.plan, compiled.secrets, bench, runs, how())

        if repeat is not None or until_failure:
            ready = partial(_ready, bench=bench, compiled=compiled)
            work = partial(soak, runner, ready, runs, most=repeat, until_failure=until_failure)
            raise typer.Exit(anyio.run(work))
        finished, unwritten = anyio.run(partial(execute, runner(), bench, compiled, plain=plain, console=console))
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(finished.exit or (EXIT_ERRORED if unwritten else 0))


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def options(
    bench: StaticLab, *, fsync: bool, update_snapshots: bool = False, chosen: Selection | None = None,
    left_out: Mapping[str, str] | None = None, record: bool = True,
) -> Options:  # fmt: skip
    """How a run of this process on `bench` is done; `left_out` are the paths that `chosen` leaves out, with why."""
    return Options(
        update_snapshots=update_snapshots, ci=bool(os.environ.get("CI")), fsync=fsync, environment=dict(os.environ),
        hidden=bench.secrets, facts=_facts(bench, chosen), left_out=left_out or {},
        turn=Turns(partial(lock_folder, os.environ)), witness=Recorder() if record else None,
    )  # fmt: skip


def _facts(bench: StaticLab, chosen: Selection | None) -> dict[str, Any]:
    partial = {"partial": str(chosen)} if chosen else {}
    return {
        **partial,
        "argv": argv(sys.argv), "host": socket.gethostname(), "user": os.environ.get("USER", str(os.getuid())),
        "python": platform.python_version(), "platform": platform.platform(), "lab": bench.origin,
        "exporters": bench.named,
    }  # fmt: skip


def argv(words: Sequence[str]) -> list[str]:
    """The command line without the passphrase, however short that is."""
    found = []
    for before, word in pairwise(("", *words)):
        sign = word.startswith("--passphrase=")
        found.append("***" if before == "--passphrase" else "--passphrase=***" if sign else word)
    return found


async def execute(
    runner: Runner, bench: StaticLab, compiled: Compiled, *, plain: bool, console: bool
) -> tuple[Finished, str | None]:
    """Run the plan, write the reports; returns what went wrong with those too."""
    await _ready(runner, bench, compiled)
    past, texts = runner.past.events if runner.past else (), compiled.plan.sources
    with display(runner.folder, plain=plain, console=console, sources=texts, earlier=past) as listener:
        with asking(runner.folder) as ask:
            finished = await runner.run([ask, listener])
        return finished, reported(finished)


async def _ready(runner: Runner, bench: StaticLab, compiled: Compiled) -> None:
    """Obey signals, and check that the lab has what the plan needs."""
    requests = tuple(compiled.plan.requests())
    looking = asyncio.ensure_future(bench.look(requests))
    _obey_signals(runner, looking)
    await asyncio.wait((looking,))
    if looking.cancelled():
        typer.echo("canceled while the exporters were asked what they have", err=True)
        raise typer.Exit(EXIT_CANCELED)
    looking.result()
    check_lab(bench, compiled.plan)


def _obey_signals(runner: Runner, looking: asyncio.Future[None]) -> None:
    """The first signal ends the steps (and `looking`), the second `finally` too, the third leaves at once.

    Plain handlers, not the event loop's: the third must work even when a plugin blocks the loop.
    """
    loop = asyncio.get_running_loop()
    count = 0

    def obey(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        name = signal.Signals(number).name
        if count >= 3:
            _leave(runner)
        loop.call_soon_threadsafe(looking.cancel)
        loop.call_soon_threadsafe(runner.cancel, name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, obey)


def _leave(runner: Runner) -> None:
    text = f"\nleft at once; clean up with: flow recover {runner.folder}\n"
    writer = threading.Thread(target=lambda: os.write(2, text.encode()), daemon=True)
    writer.start()
    writer.join(0.5)  # a terminal that takes nothing must not keep us
    os._exit(EXIT_CANCELED)
