"""`flow recover`: clean up behind a run that was killed."""

from __future__ import annotations

from pathlib import Path

import anyio
import typer

from flowrunner.cli.common import EXIT_ERRORED, Exporters, LabOption, RunName, RunsFolder, reporting
from flowrunner.cli.past import lab_of
from flowrunner.cli.reach import Authority, Insecure, Passphrase, PassphraseFile, Pin, ServerName, access
from flowrunner.engine.recover import recover as recover_run
from flowrunner.engine.resume import first_of
from flowrunner.report.runs import resolve_run
from flowrunner.report.writer import write_reports


def recover(
    run: RunName = "last",
    runs: RunsFolder = Path("runs"),
    lab: LabOption = None,
    exporter: Exporters = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase: Passphrase = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Clean up behind a run that was killed: processes, files, devices; then write its reports."""
    with reporting():
        folder = resolve_run(run, runs)
        facts = first_of(folder)
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file, passphrase)
        recovery = anyio.run(recover_run, folder, lab_of(facts, lab, exporter, said))
    for line in recovery.done:
        typer.echo(line)
    for line in recovery.failed:
        typer.echo(f"not done: {line}", err=True)
    write_reports(folder)
    if recovery.failed:
        raise typer.Exit(EXIT_ERRORED)
    typer.echo(f"{folder.name} is cleaned up" if recovery.done else f"{folder.name} left nothing behind")
