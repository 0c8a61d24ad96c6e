"""Having a bench of this machine for as long as something serves it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from flowrunner.bench.config import Source
from flowrunner.commands.run import ROLE
from flowrunner.errors import BenchError
from flowrunner.lab.flock import LockFile, lock_folder
from flowrunner.lab.locks import Blocked, Claim, Locks, lock_name


class Standing(Protocol):
    """A bench of this machine; `identity` is what it is, wherever it is named."""

    name: str
    identity: str

    @property
    def source(self) -> Source:
        """Its config."""
        ...


def waits(owner: str, position: int) -> str:
    """What is said while `owner` has it; `position` in the queue counts from 1. Who watches waits for an owner."""
    if not owner:
        return "waiting until somebody uses it"
    return f"waiting: in use by {owner}" + (f", place {position} in the queue" if position > 1 else "")


async def hold(
    exporter: Standing, purpose: str, environment: Mapping[str, str], waiting: Callable[[Blocked], None] | None
) -> LockFile:
    """The lock of `exporter`. `purpose` says to others what it is held for, such as `flow shell`.

    `waiting` is told who has it while this waits; None does not wait.

    Raises:
        BenchError: another has it, and this was not to wait.
    """

    def refuse(blocked: Blocked) -> None:
        raise BenchError(
            f"the bench '{exporter.name}' is in use by {blocked.owner}", blame="infra",
            help="'flow leases' shows since when; it is free when that process ends",
        )  # fmt: skip

    owner = f"{getpass.getuser()}, {purpose} (pid {os.getpid()})"
    locks = Locks(lock_folder(environment))
    held = await locks.acquire([Claim(ROLE, (lock_name(exporter.identity),))], owner, waiting or refuse)
    lock = held[ROLE][1]
    lock.note({
        "exporter": exporter.name, "identity": exporter.identity, "role": ROLE, "lease": f"local-{uuid4().hex[:8]}",
        "owner": owner, "user": getpass.getuser(), "pid": os.getpid(), "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"), "expires": None,
    })  # fmt: skip
    return lock
