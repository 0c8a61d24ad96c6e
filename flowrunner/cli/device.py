"""`flow device`: use a device by hand."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from flowrunner.cli.common import LabOption, reporting
from flowrunner.cli.reach import Authority, ExporterOption, Insecure, PassphraseFile, Pin, ServerName, access
from flowrunner.commands.signals import run_until_told
from flowrunner.lab.desk.held import waits
from flowrunner.lab.desk.named import Here, named

Words = Annotated[list[str] | None, typer.Argument(metavar="[PART] [COMMAND] [ARGS]...", help="What to do")]


def device(
    words: Words = None,
    exporter: ExporterOption = None,
    lab: LabOption = None,
    tls_ca: Authority = None,
    tls_pin: Pin = None,
    tls_server_name: ServerName = None,
    insecure: Insecure = False,
    passphrase_file: PassphraseFile = None,
    logs: Annotated[bool, typer.Option("--logs", help="Show what the exporter logs")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the parts as JSON")] = False,
) -> None:
    """Use a device by hand.

    Without words it shows the parts and their commands; a part or a command with --help shows more. In a 'flow shell'
    the device is that of the shell; elsewhere it is leased for the one command. Exit status: that of a command of the
    device's shell; else 0 done, 2 cannot be, 3 the device or the exporter failed, 128+n ended by signal n.
    """
    told = [*(words or ()), *(["--json"] if as_json else ())]
    with reporting():
        found = named(exporter, lab, access(tls_ca, tls_pin, tls_server_name, insecure, passphrase_file), os.environ)
        if isinstance(found, Here):
            from flowrunner.lab.desk.hand import operate_here

            work = partial(
                operate_here, found.exporter, told, environment=os.environ, tell=typer.echo,
                waiting=lambda blocked: _waiting(blocked.owner, blocked.position),
            )  # fmt: skip
        else:
            from flowrunner.remote.client.hand import operate  # gRPC costs 100 ms, which --help need not pay

            join = os.environ.get("FLOW_LEASE") if exporter is None else None
            work = partial(
                operate, found, told, join=join or None, waiting=_waiting, tell=typer.echo,
                on_log=(lambda line: typer.echo(line.message, err=True)) if logs else None,
            )  # fmt: skip
        status = run_until_told(work)
    raise typer.Exit(status)


def _waiting(owner: str, position: int) -> None:
    typer.echo(waits(owner, position), err=True)
