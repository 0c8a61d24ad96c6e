"""Using an exporter by hand: connect, see what it has, lease it for one command."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from flowrunner.commands.run import ROLE, Action, prepare
from flowrunner.device import Device
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim, LogLine, RemoteLease, Waiting
from flowrunner.remote.endpoint import Endpoint

GRACE = 10.0
"""Seconds without a word from the exporter after which a command by hand is given up."""


async def operate(
    endpoint: Endpoint, words: Sequence[str], *, join: str | None, waiting: Waiting,
    on_log: Callable[[LogLine], None] | None, tell: Callable[[str], None],
) -> int:  # fmt: skip
    """Do what `words` say with the device of `endpoint`; returns the exit status.

    `join` is the lease of the shell around this process. `tell` is given text that needs no device.

    Raises:
        PipelineError: the words make no command.
        BenchError: the exporter or the device did not do as asked.
    """
    outcome: int | Exception = 0
    async with connected(endpoint) as remote:
        action = prepare(replace(remote.device, name=ROLE), words)
        if isinstance(action, str):
            tell(action)
            return 0
        claim = Claim(
            role=ROLE, owner=owner("flow device"), grace=GRACE, join=join, watch=action.looks_on, on_log=on_log
        )
        async with remote.leased(claim, waiting) as lease:
            outcome = await _carried_out(action, lease)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def owner(purpose: str) -> str:
    """Who leases: shown to those who wait."""
    return f"{getpass.getuser()}, {purpose} (pid {os.getpid()} on {os.uname().nodename})"


async def _carried_out(action: Action, lease: RemoteLease) -> int | Exception:
    """The exit status, or what went wrong: raised where no task group wraps it. Ends when the lease is lost."""
    work = asyncio.create_task(_attempt(action, lease.device))
    lost = asyncio.create_task(lease.lost.wait())
    try:
        await asyncio.wait((work, lost), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return BenchError(lease.reason or "the lease was lost", blame="lost")
        return work.result()
    finally:
        for task in (work, lost):
            task.cancel()
        await asyncio.wait((work, lost))


async def _attempt(action: Action, device: Device) -> int | Exception:
    try:
        return await action(device)
    except (FlowrunnerError, OSError) as error:
        return error
