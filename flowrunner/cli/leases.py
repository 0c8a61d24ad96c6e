"""`flow leases`: who holds which device from this machine."""

from __future__ import annotations

import json
import os
from typing import Annotated

import anyio
import typer

from flowrunner.cli.common import columns, reporting
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Held, Locks


def leases(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Show who holds which device from this machine, until when, and who waits for it.

    Exporters that listen somewhere are listed with their address while this machine holds them, or waits for them.
    """
    with reporting():
        locks = Locks(lock_folder(os.environ))
        held = anyio.run(locks.leases)
    if as_json:
        typer.echo(json.dumps([{**lease.facts, "waiting": list(lease.waiting)} for lease in held], indent=2))
        return
    if not held:
        typer.echo("no device of this machine is leased")
        return
    columns([("EXPORTER", "OWNER", "SINCE", "EXPIRES", "WAITING"), *(_row(lease) for lease in held)])


def _row(lease: Held) -> tuple[str, ...]:
    facts = lease.facts
    where = f" ({facts['endpoint']})" if facts.get("endpoint") else ""
    times = (str(facts.get(name) or "-") for name in ("owner", "since", "expires"))
    return (f"{facts.get('exporter') or '-'}{where}", *times, ", ".join(lease.waiting) or "-")
