"""`flow exporter`: serve a bench to other machines, or print a unit that does."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flowrunner.cli.common import EXIT_ERRORED, EXIT_USAGE, reporting, say
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.lab.access import read_passphrase
from flowrunner.lab.desk.serving import Running
from flowrunner.lab.desk.unit import unit_text
from flowrunner.remote.address import Address
from flowrunner.remote.exporter.listening import listens, warning
from flowrunner.remote.exporter.supervisor import ENDED
from flowrunner.remote.exporter.turn import ExitError


class Shape(StrEnum):
    """How `run` says that it is ready."""

    TEXT = "text"
    JSON = "json"


BenchFile = Annotated[Path, typer.Argument(metavar="BENCH", help="The exporter's file", show_default=False)]
ListenOption = Annotated[
    list[str], typer.Option("--listen", "-l", metavar="ADDRESS", help="unix:PATH or HOST:PORT; may be repeated")
]
Certificate = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="The certificate chain, as PEM")]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, as PEM")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Serve ports in plain text")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="What clients must know is in it")
]

exporter = typer.Typer(no_args_is_help=True, help="Serve a bench to other machines.", rich_markup_mode=None)


@exporter.command()
def run(
    bench: BenchFile,
    listen: ListenOption,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    insecure: Insecure = False,
    passphrase: Annotated[
        str | None,
        typer.Option(help="What clients must know; others see it in the list of processes [env: FLOW_PASSPHRASE]"),
    ] = None,
    passphrase_file: PassphraseFile = None,
    supervise: Annotated[
        bool | None, typer.Option(help="Start again after a failure [default: unless a service manager does]")
    ] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR")] = "INFO",
    format: Annotated[Shape, typer.Option("--format", help="How it says that it is ready")] = Shape.TEXT,
) -> None:
    """Serve a bench until told to stop.

    SIGTERM or Ctrl-C stops it after the devices are safe, a second one at once. SIGHUP reads the file again when no
    lease is held. Exit status: 0 stopped, 1 failed too often or ended by a hook, 2 cannot run as written, 3 the bench
    could not be had.
    """
    logging.basicConfig(level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    with reporting():
        secret = passphrase or (
            read_passphrase(passphrase_file) if passphrase_file else os.environ.get("FLOW_PASSPHRASE")
        )
        os.environ.pop("FLOW_PASSPHRASE", None)  # drivers start programs, which need not know it
        served = listens(listen, certificate=tls_cert, key=tls_key, insecure=insecure, passphrase=secret)
        if text := warning(served):
            typer.echo(f"warning: {text}", err=True)
        running = Running(
            path=bench, listens=served, environment=os.environ, ready=lambda found: _ready(found, format),
            failed=_failed, say=lambda line: typer.echo(line, err=True),
        )  # fmt: skip
        alone = bool(os.environ.get("NOTIFY_SOCKET"))
        status = running.run(supervise=not alone if supervise is None else supervise)
    raise typer.Exit(status)


@exporter.command()
def unit(
    bench: BenchFile,
    listen: ListenOption,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    insecure: Insecure = False,
    passphrase_file: PassphraseFile = None,
    user: Annotated[str | None, typer.Option(help="Who runs it; root when left out")] = None,
) -> None:
    """Print a systemd unit that serves a bench: flow exporter unit ... > /etc/systemd/system/NAME.service."""
    with reporting():
        listens(listen, certificate=tls_cert, key=tls_key, insecure=insecure, passphrase=None)
        text = unit_text(
            bench, listen, certificate=tls_cert, key=tls_key, insecure=insecure, passphrase=passphrase_file, user=user
        )
    typer.echo(text, nl=False)


def _ready(addresses: Sequence[Address], shape: Shape) -> None:
    with suppress(BrokenPipeError):  # whoever waited for it has read enough
        for address in addresses:
            text = f"listening on {address}"
            facts = {"event": "listening", "address": str(address), "pid": os.getpid()}
            print(json.dumps(facts) if shape is Shape.JSON else text, flush=True)


def _failed(error: FlowrunnerError) -> int:
    say(error)
    if isinstance(error, ExitError):
        return ENDED
    return EXIT_ERRORED if isinstance(error, BenchError) else EXIT_USAGE
