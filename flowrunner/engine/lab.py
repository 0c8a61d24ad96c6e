"""What the engine asks of a lab: check that roles can be filled, and lease them. The engine imports no lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest

Waiting = Callable[[str, str, int], None]
"""Called while queueing, when something changed: the role, who has what it waits for, the place in the queue from 1."""


LogSource = Literal["driver", "before_lease", "after_lease", "system"]
"""Who logged: a driver, a hook around the lease, or the exporter itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLog:
    """A line that was logged beside a device.

    `level` is `debug`, `info`, `notice`, `warning`, `error` or `critical`; `driver` is the path of the part that it
    comes from (`dut.power`) and `call` what that was busy with, where both are known.
    """

    role: str
    level: str
    message: str
    source: LogSource = "driver"
    driver: str | None = None
    call: str | None = None


OnLog = Callable[[DeviceLog], None]
"""Told of each line that is logged beside a device, on the event loop's thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who leases: shown to those who wait."""

    run: str
    pipeline: str
    user: str
    pid: int
    folder: str = ""
    """Where the run keeps its journal and the logs of its consoles, for those who look on."""

    def __str__(self) -> str:
        return f"{self.user}, run {self.run} of {self.pipeline} (pid {self.pid})"


@dataclass(slots=True, kw_only=True)
class Lease:
    """One role, filled. When the lease ends early, `reason` is set, then `lost`; from then on calls are refused.

    `types` gives the driver type of each part by its path (empty for the device itself). `expires_at` is on the event
    loop's clock, None when it never expires. `warning` is what its user has to know, such as that nobody makes the
    device safe when this process dies.
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
    warning: str | None = None
    draining: bool = False
    on_drain: Callable[[], None] | None = None

    def drain(self) -> None:
        """Let calls through from now on although the lease may be lost, as long as the lab still holds the board.

        It is for the safe state.
        """
        self.draining = True
        if self.on_drain:
            self.on_drain()

    def lose(self, reason: str) -> None:
        """Refuse calls from now on; the first reason stays."""
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()


class LeaseTimeout(BenchError):
    """Nothing was leased: the queue took longer than `queue_timeout`. No device was called."""

    def __init__(self, role: str, seconds: float, owner: str | None) -> None:
        super().__init__(
            f"no lease for '{role}' within {Duration(seconds)}" + (f": in use by {owner}" if owner else ""),
            blame="infra",
            help="wait for it to end, raise queue_timeout, or see who holds it with 'flow leases'",
        )
        self.role = role


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An exporter of a lab, without being leased. `parts` gives the driver type of each part by its path."""

    name: str
    labels: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)


NAME_LABEL = "flowrunner/exporter"
"""A label that every exporter has: its name in the lab."""


class Lab(Protocol):
    """Where devices come from."""

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        """Check what is known before anything is touched: labels, interfaces, enough exporters.

        Raises:
            PipelineErrors: no exporter of this lab can ever fill a role.
        """
        ...

    def members(self, request: DeviceRequest) -> Sequence[Member]:
        """All that `request` selects, in the order of the lab; those that do not answer are among them.

        Raises:
            PipelineErrors: there is none, or one that answers lacks what is needed.
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
        on_log: OnLog,
    ) -> AbstractAsyncContextManager[Mapping[str, Lease]]:
        """Acquire all roles or none, open their drivers, and close and free everything at the end.

        `queue_timeout` is in seconds; `opening` is called for each role when it is held, before any driver is opened;
        `on_log` is told what drivers log.

        Raises:
            LeaseTimeout: the queue took too long.
            BenchError: a driver could not be opened; at the end, when all is freed: one could not be closed.
        """
        ...
