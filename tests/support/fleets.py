"""A virtual fleet on a virtual clock: boards that fail as they are told to, and rollouts over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import anyio

from flowrunner.device import Device
from flowrunner.engine.lab import NAME_LABEL, Lease, Member, OnLog, Owner, Waiting
from flowrunner.engine.lines import read
from flowrunner.engine.resume import resume
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.expressions import ANY, Expression, parse
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power
from flowrunner.model import Duration
from flowrunner.pipeline.plan import (
    Backoff,
    Block,
    DeviceRequest,
    Job,
    Plan,
    Retry,
    Rollout,
    Scope,
    StepNode,
    Unavailable,
    Wave,
)
from flowrunner.replay.clock import run_virtual
from flowrunner.step import Context, Outputs, Step
from tests.support.engine_kit import HERE, Ran, VirtualLab, VirtualPower, act, jobs

Fault = Literal["ok", "fail", "device", "offline", "lost", "slow"]


@dataclass
class Board(VirtualPower):
    """A board that goes through `faults`, one each time it is leased; then it is well."""

    title: str = ""
    faults: list[Fault] = field(default_factory=list)
    leases: int = 0
    updated: int = 0
    restored: int = 0

    @property
    def fault(self) -> Fault:
        """What is wrong this time."""
        return self.faults[self.leases - 1] if 0 < self.leases <= len(self.faults) else "ok"


BOARDS: dict[str, Board] = {}
"""The boards of the fleet under test, by name: what steps look at."""


class Said(Outputs):
    """What an update says."""

    took: Duration = Duration(0)
    name: str = ""


class Update(Step):
    """Updates a board, in `takes` seconds."""

    name: str
    takes: float = 10.0

    async def run(self, context: Context) -> Said:
        board = BOARDS[self.name]
        await context.use(Power).on()
        await anyio.sleep(self.takes * (5 if board.fault == "slow" else 1))
        if board.fault == "device":
            raise BenchError("the board does not answer", blame="device")
        if board.fault == "fail":
            raise ExpectationError("the new version does not boot")
        board.updated += 1
        return Said(took=Duration(self.takes), name=self.name)


class Restore(Step):
    """Puts the old version back."""

    name: str
    fail: bool = False

    async def run(self, context: Context) -> None:
        await anyio.sleep(3)
        if BOARDS[self.name].faults[-1:] == ["lost"]:
            raise BenchError("the board does not answer", blame="device")
        BOARDS[self.name].restored += 1


class FleetLab(VirtualLab):
    """As many boards as `faults` has entries, spread over `sites`."""

    def __init__(self, faults: Sequence[Sequence[Fault]], sites: int = 3) -> None:
        super().__init__(wait=1)
        BOARDS.clear()
        for number, one in enumerate(faults):
            BOARDS[f"gw{number}"] = Board(title=f"gw{number}", faults=list(one))
        self.boards = dict(BOARDS)
        self.sites = sites
        self.held: set[str] = set()

    def members(self, request: DeviceRequest) -> Sequence[Member]:
        named = request.selector.partition(f"{NAME_LABEL}=")[2]
        names = [named] if named else list(self.boards)
        return [Member(name=name, labels={"site": f"s{int(name[2:]) % self.sites}"}) for name in names]

    @asynccontextmanager
    async def lease(
        self, requests: Sequence[DeviceRequest], *, owner: Owner, queue_timeout: float | None, waiting: Waiting,
        opening: Callable[[Lease], None], on_log: OnLog,
    ) -> AsyncIterator[Mapping[str, Lease]]:  # fmt: skip
        (request,) = requests
        board = self.boards[request.selector.partition(f"{NAME_LABEL}=")[2]]
        assert board.title not in self.held, f"{board.title} is leased twice"
        if owner.run != "recovery":
            board.leases += 1
            await anyio.sleep(self.wait)
            if board.fault == "offline":
                raise BenchError(f"the exporter of {board.title} does not answer", blame="infra")
        self.held.add(board.title)
        part = Device("power", "power.virtual", (Power,), Power.client(Direct(board)))
        lease = Lease(
            role=request.role, name=f"lease-{board.title}", exporter=board.title,
            labels={"site": f"s{int(board.title[2:]) % self.sites}"},
            device=Device(request.role, "composite", children={"power": part}), types={},
        )  # fmt: skip
        opening(lease)
        try:
            async with anyio.create_task_group() as group:
                if board.fault == "lost" and owner.run != "recovery":
                    group.start_soon(self._lose_soon, lease)
                yield {request.role: lease}
                group.cancel_scope.cancel()
        finally:
            self.held.discard(board.title)

    async def _lose_soon(self, lease: Lease) -> None:
        await anyio.sleep(4)
        lease.lose("the exporter went away")


def expression(text: str) -> Expression:
    """`${{ text }}` without a check of names."""
    return parse(f"${{{{ {text} }}}}", HERE, source="", names=dict.fromkeys(("wave", "fleet", "devices"), ANY))


def rollout(
    *waves: Wave, halt: Sequence[str] = (), retries: int = 1, parallel: int | None = None, per_site: int | None = None,
    on_halt: Literal["pause", "abort", "rollback"] = "pause", **more: Any,
) -> Plan:  # fmt: skip
    """A plan whose job `update` updates a fleet."""
    name = expression("devices.gw.name")
    update = StepNode(
        path="update.install", id="install", name="install", where=HERE, action="install", step=Update,
        values={"name": name, **more}, kind="test", device="gw",
    )  # fmt: skip
    note = act("update.note", value=expression("wave.name"))
    request = DeviceRequest(role="gw", selector="product=gateway", where=HERE)
    undo = StepNode(
        path="update.rollback.restore", id=None, name="restore", where=HERE, action="restore", step=Restore,
        values={"name": name}, kind="setup", device="gw",
    )  # fmt: skip
    back = Block(
        path="update.rollback", id=None, name="rollback", where=HERE, action="rollback",
        scope=Scope(steps=(undo,), devices=(request,)),
    )  # fmt: skip
    rolled = Rollout(
        role="gw", fleet="product=gateway", waves=waves, max_parallel=parallel, on_halt=on_halt, where=HERE,
        unavailable=Unavailable(count=per_site, label="site") if per_site else None, rollback=back,
        halt_when=tuple(expression(text) for text in halt),
    )  # fmt: skip
    retry = (
        Retry(attempts=retries, on=("infra", "device"), backoff=Backoff(initial=Duration(60))) if retries > 1 else None
    )
    scope = Scope(steps=(update, note), devices=(request,), outputs={"name": expression("devices.gw.name")})
    job = Job(
        path="update", id="update", name="update", where=HERE, action="job", scope=scope, rollout=rolled, retry=retry
    )  # fmt: skip
    return replace(jobs(job), digest="1" * 64)


CANARY = Wave(name="canary", size=2)
REST = Wave(name="rest", percent=100)


def gate(path: str, *steps: StepNode) -> Block:
    """The gate of a wave."""
    return Block(path=path, id=None, name="gate", where=HERE, action="group", scope=Scope(steps=steps))


def execute(
    plan: Plan, folder: Path, lab: FleetLab, at: Sequence[tuple[float, Callable[[Runner], object]]] = ()
) -> Ran:
    """Run `plan` on a virtual clock; `at` are things to do at some second."""
    return _run(Runner(plan, {}, lab, folder, Options(fsync=False)), lab, at)


def go_on(
    plan: Plan, folder: Path, lab: VirtualLab, at: Sequence[tuple[float, Callable[[Runner], object]]] = (),
    *, force: bool = False,
) -> Ran:  # fmt: skip
    """Resume the run in `folder`."""

    async def prepare() -> Any:
        return await resume(folder, plan, lab, force=force)

    past = run_virtual(prepare)
    return _run(Runner(plan, {}, lab, folder.parent, Options(fsync=False), past), lab, at)


def _run(runner: Runner, lab: VirtualLab, at: Sequence[tuple[float, Callable[[Runner], object]]]) -> Ran:
    async def main() -> Finished:
        loop = asyncio.get_running_loop()
        for seconds, what in at:
            loop.call_later(seconds, what, runner)
        return await runner.run()

    finished = run_virtual(main)
    return Ran(finished, read(runner.folder / "journal.jsonl"), lab)


def cut(folder: Path, lines: int) -> None:
    """Leave of a journal what a kill would have left: its first lines."""
    path = folder / "journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
