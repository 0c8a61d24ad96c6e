"""Recording a run: what was asked of its devices and what they answered."""

from __future__ import annotations

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
from flowrunner.replay.recorded import Recorded
from flowrunner.replay.store import Store
from flowrunner.replay.values import plain
from flowrunner.step import Context, Outputs, Step


class Recorder:
    """Writes `recording.jsonl` into the run's folder. What the journal and the console logs hold is not in it again."""

    def __init__(self) -> None:
        self.seed = ""
        self._run: Run | None = None
        self._store: Store | None = None
        self._leases: dict[int, int] = {}

    @property
    def store(self) -> Store:
        """Where lines go; the run has begun."""
        assert self._store
        return self._store

    def begin(self, run: Run) -> None:
        self._run, self.seed = run, run.id
        self._store = Store(run.folder, run.clock.now, run.masker, lambda why: _warn(run, why))

    def end(self) -> None:
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
                mine = client(_offers(node), Recorded(self.store, inner, number, path, quiet=node.offers(Console)))
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
        self.store.write("now", path=CURRENT.get(), value=float(now))
        return now

    async def starting(self) -> None:
        self.store.write("began", path=CURRENT.get())

    async def outside(self, step: Step, action: str, context: Context) -> Outputs | None:
        assert self._run
        self.store.write("outside", path=CURRENT.get(), action=action, parameters=parameters(step, self._run.plan))
        return await step.run(context)


def _offers(node: Device) -> tuple[type[Interface], ...]:
    """The interfaces of the node's client, which may be more than those of the node, where it refers to another one."""
    return offered(type(node.client)) if node.client is not None else ()


def parameters(step: Step, plan: Plan) -> dict[str, Any]:
    """The parameters of a step as plain data; files that are inputs by their digest, wherever they are."""
    names = {str(plan.inputs[name]): f"{name} sha256:{facts.sha256[:16]}" for name, facts in plan.input_files.items()}
    return {name: named(plain(getattr(step, name)), names) for name in type(step).model_fields}


def named(value: Any, names: dict[str, str]) -> Any:
    """`value` with the keys of `names` replaced in all its texts."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: named(item, names) for key, item in value.items()}
    return [named(item, names) for item in value] if isinstance(value, list) else value


def _warn(run: Run, why: str) -> None:
    run.journal.write("log", path=CURRENT.get(), level="warning", message=why)
