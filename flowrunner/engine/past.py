"""What an earlier runner of this run has done, and which of it need not be done again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from flowrunner.engine.lab import NAME_LABEL
from flowrunner.engine.lines import Event
from flowrunner.engine.result import Result
from flowrunner.engine.rollout.past import RolloutPast
from flowrunner.engine.standing import standing
from flowrunner.engine.typed import restored
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Barrier, Block, DeviceRequest, Job, Node, StepNode, below

_ATTEMPT = re.compile(r"#\d+")


class Past:
    """The journal of a run that goes on.

    A step that passed is not done again, unless it left something in a device that did not outlive the lease: power, a
    booted system, a login. Jobs and leases that passed are not done again, whatever they did: their devices are free.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        """`events` are all of the journal, which has a beginning and no living runner."""
        self.events = events
        self.facts = events[0]
        self._stands = standing(events)
        self._records = {str(e["path"]): e for e in self._stands if e["event"] == "step.finished"}
        self._bodies = {str(e["path"]) for e in self._stands if _passed_body(e)}

    @cached_property
    def _by_key(self) -> Mapping[str, Event]:
        return {_ATTEMPT.sub("", path): record for path, record in self._records.items()}

    @cached_property
    def _exporters(self) -> Mapping[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for event in self.events:
            if event["event"] == "lease.acquired":
                found[event.get("job", ""), event["role"]].add(event["exporter"])
        return found

    @cached_property
    def _rollouts(self) -> Mapping[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            name = event.get("rollout") or str(event.get("path", "")).partition("[")[0]
            found[name].append(event)
        return found

    def rollout(self, path: str) -> RolloutPast:
        """Where the rollout at `path` stands."""
        return RolloutPast.read(self._rollouts.get(path, ()), path)

    def kept(self, path: str, node: Node, scope: str | None = None) -> Result | None:
        """How `node` ended at `path`, when that stands; None when it is to be done.

        `scope` is the path of the scope in whose body it is: when all of that had passed, all of it stands.
        """
        record = self._records.get(path)
        if record is None or record.get("masked"):
            return None
        whole = scope in self._bodies
        if not whole and (record["outcome"] != "passed" or not lasts(node)):
            return None
        return _result(record)

    def inside(self, path: str, node: Node) -> Mapping[str, Result]:
        """How the steps with an id inside a kept block ended."""
        found: dict[str, Result] = {}
        for child in _steps(node):
            record = self._by_key.get(_ATTEMPT.sub("", path) + child.path[len(node.path) :])
            if child.id is not None and record is not None:
                found[child.id] = _result(record)
        return found

    def attempts(self, path: str) -> tuple[int, int]:
        """The last attempt at `path` that was started, and the last that ended; 0 where there is none."""
        numbers = {"attempt.started": 0, "attempt.finished": 0}
        for event in self._tries.get(path, ()):
            numbers[event["event"]] = int(event["attempt"])
        return numbers["attempt.started"], numbers["attempt.finished"]

    @cached_property
    def _tries(self) -> Mapping[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self._stands:
            if event["event"] in ("attempt.started", "attempt.finished"):
                found[str(event["path"])].append(event)
        return found

    def same_device(self, job: str, request: DeviceRequest) -> DeviceRequest:
        """`request` for the device that this role had before."""
        names = self._exporters.get((job, request.role), ())
        chosen = f"{NAME_LABEL}={next(iter(names), None)}"
        if len(names) != 1 or chosen in request.selector.split(","):
            return request
        return replace(request, selector=f"{request.selector},{chosen}" if request.selector.strip() else chosen)


def lasts(node: Node) -> bool:
    """Whether what `node` did is still there when its devices were given back, so that it need not be done again."""
    if isinstance(node, StepNode):
        return node.device is None or node.step.lasting
    if not isinstance(node, Block) or isinstance(node, Barrier):
        return False
    if isinstance(node, Job) or node.scope.devices:
        return True
    inside = list(below(node))
    return not any(isinstance(child, Block) and child.foreach is not None for child in inside) and all(
        map(lasts, inside)
    )


def _steps(node: Node) -> list[Node]:
    """The nodes inside a block whose ids are known outside of it: not those of templates and jobs."""
    if not isinstance(node, Block) or node.action in ("call", "job", "device"):
        return []
    return [found for child in below(node) for found in (child, *_steps(child))]


def _passed_body(event: Event) -> bool:
    return (event["event"], event.get("part"), event.get("outcome")) == ("scope.finished", "body", "passed")


def _result(record: Event) -> Result:
    outputs = restored(dict(record["outputs"]), record.get("kinds", []))
    return Result(
        outcome=Outcome(record["outcome"]), path=str(record.get("because") or record["path"]), outputs=outputs,
        cause=cast("Any", record.get("cause")), blame=record.get("blame"), message=record.get("message"),
        because=record.get("because"),
    )  # fmt: skip
