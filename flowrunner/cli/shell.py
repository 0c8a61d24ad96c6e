"""`flow shell`: a shell in which a bench is yours."""

from __future__ import annotations

import os
from typing import Annotated

import anyio
import typer

from flowrunner.cli.common import LabOption, reporting
from flowrunner.cli.reach import Authority, ExporterOption, Insecure, PassphraseFile, Pin, ServerName, access
from flowrunner.lab.desk.named import named
from flowrunner.lab.desk.shell import ShellSession
from flowrunner.remote.client.remote import LogLine


def shell(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="What to run; your shell when left out")
    ] = None,
    exporter: ExporterOption = None,
    lab: LabOption = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase_file: PassphraseFile = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the power as it is at the end")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show what the exporter logs")] = False,
) -> None:
    """Run a command, or your shell, in which a bench is yours.

    In it 'flow device', 'flow run', Jumpstarter's 'j' and its Python clients find the bench. A bench's file is opened
    and served for this shell alone. At the end all power is turned off and the bench is free again. Exit status: the
    command's, 128+n when signal n ended it; 2 cannot be, 3 the bench could not be had or was lost.
    """

    def show(line: LogLine) -> None:
        if logs or line.source in ("before_lease", "after_lease"):
            typer.echo(line.message, err=True)

    with reporting():
        said = access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file)
        session = ShellSession(
            where=named(exporter, lab, said, os.environ), command=command or (), environment=os.environ, keep=keep,
            say=lambda text: typer.echo(f"flow: {text}", err=True), on_log=show,
            join=os.environ.get("FLOW_LEASE") if exporter is None else None, ca=tls_ca,
        )  # fmt: skip
        status = anyio.run(session.run)
    raise typer.Exit(status)
