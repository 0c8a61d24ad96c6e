"""Recording a run: what was asked of its devices and what they answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.device import Device
from flowrunner.engine.lab import Lease
from flowrunner.engine.state import Run
from flowrunner.engine.witness import CURRENT
from flowrunner.interface import Interface, client, offered
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Plan
from flowrunner.remote.known import name_of
from flowrunner.replay.recorded import OUTSIDE, Recorded
from flowrunner.replay.store import Store
from flowrunner.replay.values import plain
from flowrunner.step import Context, Outputs, Step

MOST_NOTED = 64
"""Times that wait for a line to be written with; who is killed has lost them, and they matter little."""


class Recorder:
    """Writes `recording.jsonl` into the run's folder. What the journal and the console logs hold is not in it again."""

    def __init__(self) -> None:
        self.seed = ""
        self._run: Run | None = None
        self._store: Store | None = None
        self._leases: dict[int, int] = {}
        self._noted: dict[str, list[tuple[str, float]]] = {}

    @property
    def run(self) -> Run:
        """The run, which has begun."""
        assert self._run
        return self._run

    @property
    def store(self) -> Store:
        """Where lines go; the run has begun."""
        assert self._store
        return self._store

    def begin(self, run: Run) -> None:
        self._run, self.seed = run, run.id
        self._store = Store(run.folder, run.clock.now, run.masker, lambda why: _warn(run, why))

    def end(self) -> None:
        self._tell_noted()
        self.store.close()

    def device(self, lease: Lease, job: str) -> Device:
        number = self._leases[id(lease)] = len(self._leases)
        clients: dict[int, tuple[str, Interface]] = {}
        parts: dict[str, Any] = {}

        def wrapped(node: Device, path: str) -> Device:
            inner = node.client
            twin = clients.get(id(inner)) if inner is not None else None
            mine: Interface | None = twin[1] if twin else None
            if inner is not None and twin is None:
                mine = client(
                    _offers(node), Recorded(self.ask, self.store, inner, number, path, quiet=node.offers(Console))
                )
                clients[id(inner)] = (path, mine)
            parts[path] = {
                "name": node.name, "type": node.type, "twin": twin[0] if twin else None,
                "interfaces": [name_of(one) for one in node.interfaces],
                "offers": [name_of(one) for one in _offers(node)],
            }  # fmt: skip
            children = {
                name: wrapped(child, f"{path}.{name}" if path else name) for name, child in node.children.items()
            }
            return Device(node.name, node.type, node.interfaces, mine, children)

        device = wrapped(lease.device, "")
        self.store.write("leased", lease=number, job=job, role=lease.role, parts=parts)
        return device

    def console(self, lease: Lease, part: str, name: str) -> None:
        self.store.write("console", lease=self._leases[id(lease)], part=part, console=name)

    def sent(self, console: str, text: str) -> None:
        pass  # the journal has it

    def now(self, now: Duration) -> Duration:
        self._note("looked", now)
        return now

    async def starting(self) -> None:
        self._note("began", self.run.clock.now())

    def ask(self, lease: int, part: str, method: str, arguments: Mapping[str, Any]) -> int:
        """Note a call; returns its number."""
        noted, self._noted = self._noted, {}
        return self.store.write(
            "call", lease=lease, part=part, method=method, path=CURRENT.get(),
            arguments={name: plain(value) for name, value in arguments.items()}, **noted,
        )  # fmt: skip

    def _note(self, kind: str, time: Duration) -> None:
        """Keep a time of the current step for the next line: a line of its own would cost more than the step."""
        self._noted.setdefault(kind, []).append((CURRENT.get(), float(time)))
        if len(self._noted[kind]) >= MOST_NOTED:
            self._tell_noted()

    def _tell_noted(self) -> None:
        noted, self._noted = self._noted, {}
        if noted:
            self.store.write("noted", **noted)

    async def outside(self, step: Step, action: str, context: Context) -> Outputs | None:
        self.store.write("outside", path=CURRENT.get(), action=action, parameters=parameters(step, self.run.plan))
        OUTSIDE.set(True)
        return await step.run(context)


def _offers(node: Device) -> tuple[type[Interface], ...]:
    """The interfaces of the node's client, which may be more than those of the node, where it refers to another one."""
    return offered(type(node.client)) if node.client is not None else ()


def parameters(step: Step, plan: Plan) -> dict[str, Any]:
    """The parameters of a step as plain data; files that are inputs by their digest, wherever they are.

    Digests of files are left out: `flow.lock` gives them to a frozen run, and its replay does without.
    """
    names = {str(plan.inputs[name]): f"{name} sha256:{facts.sha256[:16]}" for name, facts in plan.input_files.items()}
    bare = step.with_digests(lambda name, digest: None)
    return {name: named(plain(getattr(bare, name)), names) for name in type(step).model_fields}


def named(value: Any, names: dict[str, str]) -> Any:
    """`value` with the keys of `names` replaced in all its texts."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: named(item, names) for key, item in value.items()}
    return [named(item, names) for item in value] if isinstance(value, list) else value


def _warn(run: Run, why: str) -> None:
    run.journal.write("log", path=CURRENT.get(), level="warning", message=why)
