"""`flow run`: from a file to an outcome."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

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
from flowrunner.cli.parts import After, Durations, Ending, Jobs, Shard, chosen, needs_of
from flowrunner.cli.reach import Authority, Insecure, Passphrase, PassphraseFile, Pin, ServerName, access
from flowrunner.cli.telling import CiOption, tell_about
from flowrunner.engine.chosen import Chosen
from flowrunner.engine.fitting import check_lab
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.discover import discover
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.static import StaticLab
from flowrunner.lab.turns import Turns
from flowrunner.pipeline.compiler import Compiled, compile
from flowrunner.report.display import Listener, display
from flowrunner.report.tell.surroundings import System, surroundings
from flowrunner.report.writer import write_reports

EXIT_CANCELED = 4

Display = Callable[..., AbstractContextManager[Listener]]


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
    job: Jobs = None,
    ending: Ending = False,
    after: After = None,
    shard: Shard = None,
    durations: Durations = None,
    update_snapshots: Annotated[
        bool, typer.Option("--update-snapshots", help="Write goldens from what is seen, instead of comparing")
    ] = False,
    fsync: Annotated[bool, typer.Option(help="Make each journal entry durable before going on")] = True,
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
            pipeline, inputs=pairs(input), inputs_file=inputs_file, environment=os.environ, secrets_file=secrets_file
        )
        for warning in compiled.warnings:
            typer.echo(f"warning: {warning}", err=True)
        part = chosen(compiled.plan, job or (), ending, after or (), shard, durations)
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file, passphrase)
        bench = discover(pipeline, lab=lab, exporters=exporter or (), environment=os.environ, access=said)
        options = Options(
            update_snapshots=update_snapshots, ci=bool(around.get("CI")), fsync=fsync, environment=dict(os.environ),
            hidden=bench.secrets, facts=_facts(bench), turn=Turns(partial(lock_folder, os.environ)), chosen=part,
        )  # fmt: skip
        runner = Runner(compiled.plan, compiled.secrets, bench, runs, options)
        show = partial(display, plain=plain, console=console, environment=around)
        finished, unwritten = anyio.run(partial(_run, runner, bench, compiled, part, show))
        unwritten = unwritten or tell_about(finished.folder, around)
    if unwritten:
        typer.echo(unwritten, err=True)
    raise typer.Exit(finished.exit or (EXIT_ERRORED if unwritten else 0))


def _facts(bench: StaticLab) -> dict[str, Any]:
    return {
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


async def _run(
    runner: Runner, bench: StaticLab, compiled: Compiled, part: Chosen | None, show: Display
) -> tuple[Finished, str | None]:
    """Check that the lab has what the plan needs, run it, write the reports; returns what went wrong with those too."""
    needed = needs_of(compiled.plan, part)
    requests = tuple(needed.requests())
    looking = asyncio.ensure_future(bench.look(requests))
    _obey_signals(runner, looking)
    await asyncio.wait((looking,))
    if looking.cancelled():
        typer.echo("canceled while the exporters were asked what they have", err=True)
        raise typer.Exit(EXIT_CANCELED)
    looking.result()
    check_lab(bench, needed)
    with show(runner.folder, sources=compiled.plan.sources) as listener:
        finished = await runner.run([listener])
        return finished, _write_reports(finished)


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


def _write_reports(finished: Finished) -> str | None:
    """Write the reports of a run; returns what went wrong."""
    try:
        write_reports(finished.folder)
    except OSError as error:
        return f"the reports could not be written to {finished.folder}: {error.strerror}"
    return None
