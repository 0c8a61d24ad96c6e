"""What the engine asks of a lab: check that roles can be filled, and lease them. The engine imports no lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest

Waiting = Callable[[str, str, int], None]
"""Called while queueing, when something changed: the role, who has what it waits for, the place in the queue from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who leases: shown to those who wait."""

    run: str
    pipeline: str
    user: str
    pid: int

    def __str__(self) -> str:
        return f"{self.user}, run {self.run} of {self.pipeline} (pid {self.pid})"


@dataclass(slots=True, kw_only=True)
class Lease:
    """One role, filled. When the lease ends early, `reason` is set, then `lost`; from then on calls are refused.

    `types` gives the driver type of each part by its path (empty for the device itself). `expires_at` is on the event
    loop's clock, None when it never expires. `draining` is for the engine: while it drives the safe state, calls go
    through although the lease is lost, as long as the lab still holds the board.
    """

    role: str
    name: str
    exporter: str
    labels: dict[str, str]
    device: Device
    types: dict[str, str]
    lost: anyio.Event = field(default_factory=anyio.Event)
    reason: str | None = None
    expires_at: float | None = None
    draining: bool = False


class LeaseTimeout(BenchError):
    """Nothing was leased: the queue took longer than `queue_timeout`. No device was called."""

    def __init__(self, role: str, seconds: float, owner: str | None) -> None:
        super().__init__(
            f"no lease for '{role}' within {Duration(seconds)}" + (f": in use by {owner}" if owner else ""),
            blame="infra",
            help="wait for it to end, raise queue_timeout, or see who holds it with 'flow leases'",
        )
        self.role = role


class Lab(Protocol):
    """Where devices come from."""

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        """Check what is known before anything is touched: labels, interfaces, enough exporters.

        Raises:
            PipelineErrors: no exporter of this lab can ever fill a role.
        """
        ...

    def lease(
        self,
        requests: Sequence[DeviceRequest],
        *,
        owner: Owner,
        queue_timeout: float | None,
        waiting: Waiting,
        opening: Callable[[Lease], None],
    ) -> AbstractAsyncContextManager[Mapping[str, Lease]]:
        """Acquire all roles or none, open their drivers, and close and free everything at the end.

        `queue_timeout` is in seconds; `opening` is called for each role when it is held, before any driver is opened.

        Raises:
            LeaseTimeout: the queue took too long.
            BenchError: a driver could not be opened; at the end, when all is freed: one could not be closed.
        """
        ...
