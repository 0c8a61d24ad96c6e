"""A virtual lab, actions that misbehave on demand, and plans made by hand: what the engine's tests run on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import anyio

from flowrunner.device import Device
from flowrunner.engine.lab import Lease, LeaseTimeout, Member, OnLog, Owner, Waiting
from flowrunner.engine.lines import Event, read
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.standing import standing
from flowrunner.engine.state import Options
from flowrunner.errors import BenchError, ExpectationError, Span
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.model import Duration, Secret
from flowrunner.pipeline.plan import Barrier, Block, DeviceRequest, Job, Node, Plan, Scope, StepNode
from flowrunner.replay.clock import run_virtual
from flowrunner.step import Context, Outputs, Step

HERE = Span("test.yaml", 1, 1, 1, 2)


TALLIES: Counter[str] = Counter()
"""How often each tally was counted."""


class Said(Outputs):
    """What `Act` returns."""

    value: Any = None
    at: Duration = Duration(0)


class Act(Step):
    """Takes `takes` seconds, then ends as `then` says; `log` collects what was done in the test."""

    takes: float = 0.0
    then: Literal["pass", "fail", "device", "infra", "raise", "exit", "interrupt", "stop"] = "pass"
    value: Any = None
    stubborn: bool = False
    turn: Literal["on", "off"] | None = None
    until: int = 0
    tally: str = ""

    async def run(self, context: Context) -> Said | None:
        if self.turn:
            await getattr(context.use(Power), self.turn)()
        deadline = anyio.current_time() + self.takes
        while anyio.current_time() < deadline:
            try:
                await anyio.sleep(deadline - anyio.current_time())
            except BaseException:
                if not self.stubborn:
                    raise
        self._end(context)
        return Said(value=self.value, at=context.now())

    def _end(self, context: Context) -> None:
        if self.until:
            TALLIES[self.tally] += 1
            if TALLIES[self.tally] >= self.until:
                return
        match self.then:
            case "fail":
                raise ExpectationError("it did not hold")
            case "device" | "infra":
                raise BenchError("it broke", blame=self.then)
            case "raise":
                raise ValueError("a bug")
            case "exit":
                raise SystemExit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "stop":
                context.stop("passed", "enough")


@dataclass
class VirtualPower(Power):
    """A supply that can be told to fail; it remembers its calls."""

    done: list[tuple[float, str]] = field(default_factory=list)
    fail: set[str] = field(default_factory=set)
    is_on: bool = False

    async def on(self) -> None:
        self._do("on")
        self.is_on = True

    async def off(self) -> None:
        self._do("off")
        self.is_on = False

    async def read(self) -> AsyncIterator[PowerReading]:
        yield PowerReading(voltage=5.0 if self.is_on else 0.0, current=0.1)

    def _do(self, call: str) -> None:
        self.done.append((anyio.current_time(), call))
        if call in self.fail:
            raise BenchError(f"the supply did not turn {call}")


class VirtualLab:
    """One board per role. `wait` seconds pass before a lease; `lose` seconds after it the lease is lost."""

    def __init__(self, *, wait: float = 0.0, lose: float | None = None) -> None:
        self.power: dict[str, VirtualPower] = {}
        self.wait, self.lose = wait, lose
        self.open = 0
        self.log: list[str] = []

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        """Everything fits."""

    def members(self, request: DeviceRequest) -> Sequence[Member]:
        """The board of the role."""
        return [Member(name=f"board-{request.role}", labels={})]

    @asynccontextmanager
    async def lease(
        self,
        requests: Sequence[DeviceRequest],
        *,
        owner: Owner,
        queue_timeout: float | None,
        waiting: Waiting,
        opening: Callable[[Lease], None],
        on_log: OnLog,
    ) -> AsyncIterator[Mapping[str, Lease]]:
        with anyio.move_on_after(queue_timeout) as limit:
            await anyio.sleep(self.wait)
        if limit.cancelled_caught:
            raise LeaseTimeout(requests[0].role, queue_timeout or 0, "somebody")
        leases = {request.role: self._lease(request) for request in requests}
        for lease in leases.values():
            opening(lease)
        self.open += len(leases)
        try:
            async with anyio.create_task_group() as group:
                for lease in leases.values():
                    group.start_soon(self._lose, lease)
                yield leases
                group.cancel_scope.cancel()
        finally:
            self.open -= len(leases)
            self.log.append("released " + " ".join(leases))

    def _lease(self, request: DeviceRequest) -> Lease:
        power = self.power.setdefault(request.role, VirtualPower())
        part = Device("power", "power.virtual", (Power,), Power.client(Direct(power)))
        device = Device(request.role, "composite", children={"power": part})
        return Lease(
            role=request.role, name=f"lease-{request.role}", exporter=f"board-{request.role}", labels={}, device=device,
            types={},
        )  # fmt: skip

    async def _lose(self, lease: Lease) -> None:
        if self.lose is not None:
            await anyio.sleep(self.lose)
            lease.reason = "the exporter went away"
            lease.lost.set()


def act(path: str, *, device: str | None = None, kind: Literal["setup", "test"] = "test", **fields: Any) -> StepNode:
    """A step that runs `Act`: names of `Node` fields go there, the rest are its parameters."""
    common = {key: fields.pop(key) for key in list(fields) if key in StepNode.__dataclass_fields__ and key != "values"}
    common.setdefault("interruptible", True)
    return StepNode(
        path=path, id=path.rpartition(".")[2], name=path, where=HERE, action="act", step=Act, values=fields, kind=kind,
        device=device, **common,
    )  # fmt: skip


def group(path: str, steps: Sequence[Node], **fields: Any) -> Block:
    """A block around `steps`; names of `Scope` fields go into its scope."""
    inner = {key: fields.pop(key) for key in list(fields) if key in Scope.__dataclass_fields__ and key != "timeout"}
    scope = Scope(steps=tuple(steps), **inner)
    return Block(path=path, id=path, name=path, where=HERE, action="group", scope=scope, **fields)


def parallel(path: str, branches: Mapping[str, Sequence[Node]], *, fail_fast: bool = True, **fields: Any) -> Block:
    """Branches beside each other."""
    made = tuple(
        Block(path=f"{path}.{name}", id=None, name=name, where=HERE, action="branch", scope=Scope(steps=tuple(steps)))
        for name, steps in branches.items()
    )
    scope = Scope(branches=made, fail_fast=fail_fast)
    return Block(path=path, id=path, name=path, where=HERE, action="parallel", scope=scope, **fields)


def barrier(path: str, meeting: str, participants: Sequence[str], **fields: Any) -> Barrier:
    """A place where `participants` meet."""
    return Barrier(
        path=path, id=None, name=meeting, where=HERE, meeting=meeting, participants=tuple(participants), **fields
    )  # fmt: skip


def job(
    name: str, *steps: Node, devices: Sequence[str] = (), outputs: Mapping[str, Any] | None = None, **fields: Any
) -> Job:
    """A job around `steps`."""
    requests = tuple(DeviceRequest(role=role, selector="", where=HERE) for role in devices)
    scope = Scope(steps=steps, devices=requests, outputs=outputs or {})
    return Job(path=name, id=name, name=name, where=HERE, action="job", scope=scope, **fields)


def jobs(*found: Job, **scope: Any) -> Plan:
    """A plan of these jobs."""
    return replace(plan(), scope=Scope(jobs=found, **scope))


def plan(*steps: Node, devices: Sequence[str] = (), **scope: Any) -> Plan:
    """A plan of one job with these steps."""
    requests = tuple(DeviceRequest(role=role, selector="", where=HERE) for role in devices)
    return Plan(
        file=Path("test.yaml"), name="test", description=None, inputs={}, input_types={}, secrets=(),
        scope=Scope(steps=steps, devices=requests, **scope),
        digest="0" * 64, sources={},
    )  # fmt: skip


@dataclass
class Ran:
    """A finished run and its journal."""

    finished: Finished
    events: list[Event]
    lab: VirtualLab

    @property
    def outcome(self) -> str:
        return self.finished.result.outcome.value

    def outcomes(self) -> dict[str, str]:
        """The final record of each step."""
        return {event["path"]: event["outcome"] for event in self.of("step.finished")}

    def of(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    def record(self, path: str) -> Event:
        """The one final record of a step."""
        ended = (event for event in standing(self.events) if event["event"] == "step.finished")
        (found,) = [event for event in ended if event["path"] == path]
        return found


def execute(
    wanted: Plan,
    folder: Path,
    *,
    lab: VirtualLab | None = None,
    secrets: Mapping[str, str] | None = None,
    cancel: Sequence[tuple[float, str]] = (),
) -> Ran:
    """Run `wanted` on a virtual clock; `cancel` are times, in seconds from the start, at which it is asked to end."""
    lab = lab or VirtualLab()
    hidden = {name: Secret(value) for name, value in (secrets or {}).items()}
    runner = Runner(wanted, hidden, lab, folder, Options(fsync=False))

    async def main() -> Finished:
        loop = __import__("asyncio").get_running_loop()
        for at, by in cancel:
            loop.call_later(at, runner.cancel, by)
        return await runner.run()

    finished = run_virtual(main)
    return Ran(finished, read(runner.folder / "journal.jsonl"), lab)


@contextmanager
def elapsed() -> Iterator[Callable[[], float]]:
    """Real seconds since entering."""
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start
