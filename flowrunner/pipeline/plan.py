"""The plan: all that a run will do, checked and frozen. `flow plan` prints it, the engine walks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from flowrunner.errors import Blame, Span
from flowrunner.expressions import Expression
from flowrunner.interface import Interface
from flowrunner.model import Duration, Kind, Type
from flowrunner.step import Step

Value = Any
"""Plain data in which an `Expression` may stand for any scalar."""

RetryReason = Literal["infra", "device", "timeout", "failed"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What tells one content of a file or a directory from another; the size is in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pause before attempt n+1: initial * factor**(n-1), at most `max`, lengthened by up to `jitter` of itself."""

    initial: Duration = Duration(0)
    factor: float = 1.0
    max: Duration | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When and how a node is tried again."""

    attempts: int
    on: tuple[RetryReason, ...]
    backoff: Backoff = Backoff()
    attempt_timeout: Duration | Expression | None = None
    between: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A pattern that is looked for beside the steps of a scope."""

    pattern: str
    outcome: Literal["failed", "errored"] = "failed"
    blame: Blame | None = None
    grace: Duration | Expression = Duration(0)
    device: str | None = None
    where: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """A role and what must fill it.

    `selector` is Kubernetes label selector text; where each instance of a job, or each call of a template, has one of
    its own, it is the text of the expression `late`. `requires` are interface names from the author; `needs` is what
    the steps use: (part of the device or "", interfaces of which one is enough, the step's place).
    """

    role: str
    selector: str
    late: Expression | None = None
    requires: tuple[str, ...] = ()
    needs: tuple[tuple[str, tuple[type[Interface], ...], Span], ...] = ()
    duration: Duration = Duration(86400)
    safe_state: Mapping[str, str] | Literal["keep"] = field(default_factory=lambda: {"power": "off"})
    where: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What every step and block has. `path` is unique in the plan: ids or `<action><position>`, joined by dots."""

    path: str
    id: str | None
    name: str
    where: Span
    condition: Expression | None = None
    timeout: Duration | Expression | None = None
    idle_timeout: Duration | Expression | None = None
    retry: Retry | None = None
    on_failure: Literal["stop", "continue"] = "stop"
    severity: Literal["error", "warning"] = "error"
    foreach: Value | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNode(Node):
    """One action with its parameters. `places` gives the span of each parameter by its path of keys and positions.

    `device` is a full path such as `dut` or `dut.console2`; None when the action needs no device.
    """

    action: str
    step: type[Step]
    values: Mapping[str, Value]
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict)
    kind: Kind
    interruptible: bool = True
    device: str | None = None
    outputs: Mapping[str, Type] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a background command counts as up: a line of its output matches."""

    pattern: str
    within: Duration | Expression = Duration(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background(Node):
    """A `run` or `shell` that goes on beside the rest of its scope."""

    body: StepNode
    ready: Ready | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A body with what surrounds it. `steps`, `jobs` or `branches` are the body; `last` is `finally`."""

    devices: tuple[DeviceRequest, ...] = ()
    watch: tuple[Watch, ...] = ()
    steps: tuple[Node, ...] = ()
    jobs: tuple[Job, ...] = ()
    branches: tuple[Block, ...] = ()
    fail_fast: bool = True
    rescue: tuple[Node, ...] = ()
    last: tuple[Node, ...] = ()
    timeout: Duration | Expression | None = None
    finally_timeout: Duration | Expression | None = None
    queue_timeout: Duration | Expression | None = None
    outputs: Mapping[str, Expression | Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Node):
    """A scope as a node. A `branch` is one of those of a `parallel`, a `device` the turn of one in a rollout."""

    action: Literal["group", "lease", "parallel", "branch", "call", "job", "device", "rollback"]
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier(Node):
    """A place in a branch where it waits until all `participants`, which are branches, are at the barrier `meeting`."""

    meeting: str
    participants: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Block):
    """A template at work: its steps see the inputs and the devices that the call gives them, and nothing else.

    `template` is what the caller wrote, `defined` where it is declared. `values` are the inputs that the call gives,
    `accepts` the model that they must fit, by which the others have their defaults. `paths` are the inputs that are a
    file or a directory: relative ones start at `folder`, that of the caller's file; relative paths in the template's
    own steps start at `home`. `roles` gives the role of the caller for each role of the template.
    """

    template: str
    defined: Span
    accepts: type[BaseModel]
    values: Mapping[str, Value]
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict)
    paths: Mapping[str, Literal["file", "directory"]] = field(default_factory=dict)
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    roles: Mapping[str, str]
    folder: Path
    home: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A job done once for each of `instances`, which are values by name, in the order of their declaration."""

    instances: tuple[Mapping[str, Any], ...]
    max_parallel: int | None = None
    fail_fast: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A part of a fleet. `size` devices more than before, or as many that `percent` of the fleet have had their turn.

    `gate` has the steps behind its soak; with `approve` somebody must say yes before it begins.
    """

    name: str
    size: int | None = None
    percent: float | None = None
    soak: Duration | Expression | None = None
    gate: Block | None = None
    approve: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """How many devices may be out of service: `count`, or `percent` of those that have the same value of `label`."""

    count: int | None = None
    percent: float | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A job done once for each device of a fleet, wave by wave; the device fills `role`.

    `fleet` is the selector, which is resolved once. `rollback` is what undoes the job on one device.
    """

    role: str
    fleet: str
    waves: tuple[Wave, ...]
    max_parallel: int | None = None
    unavailable: Unavailable | None = None
    halt_when: tuple[Expression, ...] = ()
    on_halt: Literal["pause", "abort", "rollback"] = "pause"
    rollback: Block | None = None
    where: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Block):
    """A node of the DAG: it starts when the jobs in `needs` ended, beside all others.

    Without a condition that asks about `needs`, all of them must have passed. Of all jobs whose `group` is the same
    text one runs at a time.
    """

    needs: tuple[str, ...] = ()
    matrix: Matrix | None = None
    rollout: Rollout | None = None
    group: str | Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole of a compiled pipeline. `inputs` are resolved values, `secrets` the declared names.

    `scope` is the pipeline's own: its body is steps, or jobs; a library of templates has neither.
    """

    file: Path
    name: str
    description: str | None
    inputs: Mapping[str, Any]
    input_types: Mapping[str, Type]
    secrets: tuple[str, ...]
    scope: Scope
    digest: str
    """SHA-256 of the plan's canonical JSON."""

    sources: Mapping[str, str]
    """Text of each file by its name in spans, for excerpts and the report."""

    input_files: Mapping[str, FileFacts] = field(default_factory=dict)
    """Digest and size of the inputs that are files or directories."""

    includes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each included file by what tells it from others, such as `lib/boot.yaml`."""

    leases: tuple[tuple[DeviceRequest, ...], ...] | None = None
    """What is held together at some time, for each scope that leases, with selectors resolved. None: see `scope`."""

    def walk(self) -> Iterator[Node]:
        """Every node of every scope, parents first."""
        yield from walk(self.scope)

    @property
    def runs(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.scope.steps or self.scope.jobs)

    def requests(self) -> Iterator[DeviceRequest]:
        """Every device that some scope leases, with its selector resolved as far as that is known."""
        if self.leases is not None:
            yield from {(one.role, one.selector, one.where): one for held in self.leases for one in held}.values()
            return
        yield from self.scope.devices
        for node in self.walk():
            if isinstance(node, Block):
                yield from node.scope.devices

    def together(self) -> Sequence[tuple[DeviceRequest, ...]]:
        """Sets of devices that are held at the same time: what a lab must have, set by set."""
        return (tuple(self.requests()),) if self.leases is None else self.leases


def walk(scope: Scope, *, templates: bool = True) -> Iterator[Node]:
    """Every node of `scope`, parents first, in the order of the file; those inside templates unless told otherwise."""
    for node in within(scope):
        yield from _walk(node, templates)


def _walk(node: Node, templates: bool) -> Iterator[Node]:
    yield node
    for child in below(node) if templates or not isinstance(node, Call) else ():
        yield from _walk(child, templates)


def within(scope: Scope) -> Sequence[Node]:
    """The nodes right in `scope`, in the order of the file."""
    return (*scope.jobs, *scope.branches, *scope.steps, *scope.rescue, *scope.last)


def beside_fleet(node: Node) -> Iterator[Node]:
    """The nodes of a rollout that no device's turn has: the gates of its waves, and what undoes it."""
    rollout = node.rollout if isinstance(node, Job) else None
    for wave in rollout.waves if rollout else ():
        if wave.gate:
            yield wave.gate
    if rollout and rollout.rollback:
        yield rollout.rollback


def below(node: Node) -> Iterator[Node]:
    """The nodes right below `node`, in the order of the file."""
    if isinstance(node, Block):
        yield from within(node.scope)
        yield from beside_fleet(node)
    elif isinstance(node, Background):
        yield node.body
    yield from node.retry.between if node.retry else ()
