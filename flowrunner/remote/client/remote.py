"""What a client has of an exporter: its report, and a lease on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import anyio

from flowrunner.bench.traced import OnCall
from flowrunner.device import Device
from flowrunner.remote.endpoint import Endpoint

GRACE = 30.0
"""Seconds without a sign of life after which an exporter drives the safe state."""

Waiting = Callable[[str, int], None]
"""Told while queueing, when something changed: who has the exporter, and the place in the queue from 1."""

Source = Literal["driver", "before_lease", "after_lease", "system"]

SOURCES: Mapping[Source, int] = {"driver": 1, "before_lease": 2, "after_lease": 3, "system": 4}
"""`jumpstarter.v1.LogSource`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that the exporter logged; `driver` is the path or the type of the part it is about."""

    message: str
    severity: str = "INFO"
    source: Source = "system"
    driver: str | None = None
    operation: str | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a client wants of a lease.

    `role` is how the job calls the device: the first part of the paths in errors and in `on_call`. `safe_state` is
    driven by the exporter when the client is not heard of for `grace` seconds: paths with the method to call.
    `duration` is in seconds, None has no end. A `shared` lease lets clients of Jumpstarter work beside it. `join` is
    the name of a lease that somebody else has, such as the shell around this process, to work within it. With `watch`
    nothing is leased: the consoles of whoever has the exporter, or will have it next, can be watched.
    """

    role: str
    owner: str
    safe_state: Sequence[tuple[str, str]] = ()
    grace: float = GRACE
    duration: float | None = None
    shared: bool = False
    join: str | None = None
    watch: bool = False
    on_call: OnCall | None = None
    on_log: Callable[[LogLine], None] | None = None


@dataclass(slots=True, kw_only=True)
class RemoteLease:
    """An exporter that is held. When it ends early, `reason` is set, then `lost`; calls are refused from then on.

    `guarded` says whether the exporter drives the safe state when this process dies; a foreign one does not.
    While `draining`, calls go through although the lease is lost, as long as the exporter takes them. `extend` lets it
    end so many seconds from now.
    """

    name: str
    device: Device
    guarded: bool
    lost: anyio.Event = field(default_factory=anyio.Event)
    reason: str | None = None
    draining: bool = False
    extend: Callable[[float], None] = lambda seconds: None

    def lose(self, reason: str) -> None:
        """Refuse calls from now on."""
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()


class Remote(ABC):
    """A connected exporter. `device` is its tree without clients: names, types, interfaces.

    `id` is the same for all its clients, however they reach it: those who want several take them in its order.
    """

    endpoint: Endpoint
    ours: bool
    id: str = ""
    name: str
    labels: Mapping[str, str]
    motd: str
    device: Device

    @abstractmethod
    def leased(self, claim: Claim, waiting: Waiting) -> AbstractAsyncContextManager[RemoteLease]:
        """Wait for the exporter and hold it; leaving gives it back.

        A foreign exporter knows no such lease: it is just used, and `guarded` is False.

        Raises:
            BenchError: the exporter refused, or was lost before the lease was had (blame infra).
        """
