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
    held = await locks.acquire([Claim("dut", (lock_name(exporter.identity),))], owner, waiting or refuse)
    lock = held["dut"][1]
    lock.note({
        "exporter": exporter.name, "identity": exporter.identity, "role": "dut", "lease": f"local-{uuid4().hex[:8]}",
        "owner": owner, "user": getpass.getuser(), "pid": os.getpid(), "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"), "expires": None,
    })  # fmt: skip
    return lock
