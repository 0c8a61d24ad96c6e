"""What a run was, as the reports see it: frozen facts that were read from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flowrunner.errors import Span
from flowrunner.report.rollouts import RolloutView

Part = Literal["body", "rescue", "finally", "between"]

DEVICES = ("device", "rollback")
"""Actions of records that are the turn of one device in a rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How something ended. `note` says what the journal does not: that it had no end."""

    outcome: str
    cause: str | None = None
    blame: str | None = None
    message: str | None = None
    help: str | None = None
    said: str | None = None
    because: str | None = None
    where: Span | None = None
    note: str | None = None
    console: str | None = None
    offset: int | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.outcome in ("passed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a step or block that may be tried again; `pause` is in seconds, None when no further try came."""

    number: int
    ending: Ending
    started: float
    ended: float | None
    pause: float | None = None
    children: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What happened in a step, as journal events of these kinds in order."""

    matches: tuple[Mapping[str, Any], ...] = ()
    sent: tuple[Mapping[str, Any], ...] = ()
    logs: tuple[Mapping[str, Any], ...] = ()
    output: tuple[Mapping[str, Any], ...] = ()
    measurements: tuple[Mapping[str, Any], ...] = ()
    artifacts: tuple[Mapping[str, Any], ...] = ()
    snapshots: tuple[Mapping[str, Any], ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A step, a block, or one iteration of either; times are in seconds since the run started.

    `key` is the path without attempts: what people know it by. `offsets` tells where each console was at its start.
    """

    path: str
    key: str
    id: str | None
    name: str
    action: str
    kind: str | None
    part: Part
    where: Span | None
    block: bool
    background: bool
    started: float | None
    ended: float | None
    ending: Ending
    warning: bool
    parameters: Mapping[str, Any]
    device: str | None
    outputs: Mapping[str, Any]
    offsets: Mapping[str, int]
    attempts: tuple[Attempt, ...]
    children: tuple[Record, ...]
    extras: Extras

    @property
    def outcome(self) -> str:
        """How it ended, in one word."""
        return self.ending.outcome

    @property
    def seconds(self) -> float | None:
        """How long it took; None when it did not run."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def label(self) -> str:
        """What to call it where its surroundings are known: its id, else the last part of its path."""
        return self.id if self.id and not self.path.endswith("]") else self.path.rpartition(".")[2]

    @property
    def leaf(self) -> bool:
        """Whether it is one case: a step that is no block and not the sum of its iterations, or a device's turn."""
        if self.action in DEVICES:
            return True
        inside = (child for child in self.children if child.part != "between")
        return not self.block and (self.action == "background" or not any(inside))

    @property
    def instances(self) -> tuple[Record, ...]:
        """The records of a job's instances as they are declared; none for a job without a matrix.

        Devices of a rollout are told apart.
        """
        inside = (child for child in self.children if child.action not in DEVICES)
        found = (child for child in inside if child.path.startswith(f"{self.path}["))
        return tuple(sorted(found, key=lambda child: (len(child.path), child.path)))

    def walk(self) -> Iterator[Record]:
        """The record itself and all below it, parents first."""
        yield self
        for attempt in self.attempts:
            for child in attempt.children:
                yield from child.walk()
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One step with its one outcome; `earlier` are its records in attempts that came to nothing."""

    record: Record
    earlier: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A role and who filled it; times in seconds since the run started. `waits` are (from, owner) while queueing."""

    role: str
    job: str | None
    selector: str | None
    exporter: str | None
    labels: Mapping[str, str]
    parts: Mapping[str, Mapping[str, Any]]
    name: str | None
    requested: float | None
    acquired: float | None
    released: float | None
    lost: str | None
    waits: tuple[tuple[float, str], ...]

    @property
    def label(self) -> str:
        """The role, with the job that it is of."""
        return f"{self.job} {self.role}" if self.job else self.role


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFacts:
    """A console: its raw log and its times are files of the run's folder."""

    name: str
    log: str
    times: str
    opened: float
    closed: float | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeState:
    """One call that leaves a device safe; `ok` is None when its end is not known."""

    role: str
    job: str | None
    part: str
    action: str
    started: float
    ended: float | None
    ok: bool | None
    message: str | None

    @property
    def label(self) -> str:
        """The part of the device, with the job that it is of."""
        return (f"{self.job} " if self.job else "") + f"{self.role}.{self.part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePart:
    """When the body, `rescue`, `finally` or `between` of a scope ran."""

    path: str
    part: Part
    started: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What the run's outcome goes back to."""

    path: str
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many steps ended how.

    `warnings` are among `failed` and `errored`; `retried` counts steps and blocks that needed more than one attempt.
    """

    total: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0
    canceled: int = 0
    skipped: int = 0
    warnings: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The whole of a run. `complete` is False when its journal just stops."""

    facts: Mapping[str, Any]
    ending: Ending
    exit: int | None
    seconds: float
    complete: bool
    cause: Cause | None
    counts: Counts
    cases: tuple[Case, ...]
    records: tuple[Record, ...]
    parts: tuple[ScopePart, ...]
    leases: tuple[Lease, ...]
    consoles: tuple[ConsoleFacts, ...]
    safe_states: tuple[SafeState, ...]
    cancels: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    rollouts: tuple[RolloutView, ...] = ()

    @property
    def outcome(self) -> str:
        """How the run ended, in one word."""
        return self.ending.outcome

    @property
    def jobs(self) -> tuple[Record, ...]:
        """The records of the jobs; none for a pipeline that has only steps."""
        return tuple(record for record in self.records if record.action == "job")

    def walk(self) -> Iterator[Record]:
        """All records, parents first, in the order in which they ran."""
        for record in self.records:
            yield from record.walk()

    def find(self, path: str) -> Record | None:
        """The record at `path`; None for the run itself and for what never ran."""
        return next((record for record in self.walk() if record.path == path), None)
