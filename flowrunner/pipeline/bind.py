"""Selectors that differ from instance to instance: resolved before the run, for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import replace
from typing import Any

from flowrunner.errors import FlowrunnerError, PipelineError, Span
from flowrunner.expressions import Expression
from flowrunner.pipeline.devices import waits
from flowrunner.pipeline.plan import Block, Call, DeviceRequest, Job, Node, Scope, beside_fleet, within
from flowrunner.pipeline.problems import Problems

Together = tuple[DeviceRequest, ...]


def leased_together(problems: Problems, scope: Scope, known: Map[str, Any]) -> tuple[Together, ...]:
    """The sets of devices that are held at the same time, one for each scope that leases.

    `known` are the names that have values before the run. A set that is asked for several times, by instances of a job
    or by calls of a template, is there once.
    """
    found = {_key(one): one for one in _Binder(problems).scope(scope, known, ())}
    return tuple(found.values())


def _key(requests: Together) -> tuple[Any, ...]:
    return tuple((one.role, str(one.selector), one.where, len(one.needs)) for one in requests)


class _Binder:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._call: Call | None = None
        self._waiting: set[str] = set()

    def scope(self, scope: Scope, known: Map[str, Any], held: Together) -> Iterator[Together]:
        if scope.devices:
            own = tuple(self._bound(request, known) for request in scope.devices)
            names = {request.role for request in own}
            held = (*(one for one in held if one.role not in names), *own)
            yield held
        for node in within(scope):
            yield from self._node(node, known, held)

    def _node(self, node: Node, known: Map[str, Any], held: Together) -> Iterator[Together]:
        if isinstance(node, Job):
            instances = node.matrix.instances if node.matrix else ({},)
            for values in instances:
                yield from self.scope(node.scope, {**known, "matrix": values}, held)
            for beside in beside_fleet(node):
                yield from self._node(beside, known, held)
        elif isinstance(node, Call):
            inputs, waiting = self._inputs(node, known)
            around = self._call, self._waiting
            self._call, self._waiting = node, waiting
            yield from self.scope(node.scope, {"inputs": inputs}, held)
            self._call, self._waiting = around
        elif isinstance(node, Block):
            yield from self.scope(node.scope, known, held)
        for child in node.retry.between if node.retry else ():
            yield from self._node(child, known, held)

    def _inputs(self, call: Call, known: Map[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """The inputs of a call that are known now, and the names of those that wait for a value from outside."""
        waiting = set()
        fields = call.accepts.model_fields
        found = {field.alias or name: field.default for name, field in fields.items() if not field.is_required()}
        for name, value in call.values.items():
            found.pop(name, None)
            if not isinstance(value, Expression):
                found[name] = value
            elif self._waits(value, known):
                waiting.add(name)
            elif all(reference.split(".")[0] in known for reference, _ in value.references):
                try:
                    found[name] = value.evaluate(known)
                except FlowrunnerError:
                    continue  # the selector that needs it says so
        return found, waiting

    def _waits(self, value: Expression, known: Map[str, Any]) -> bool:
        if self._call is None:
            return waits(value, known)
        return any(name == f"inputs.{one}" for name, _ in value.references for one in self._waiting)

    def _bound(self, request: DeviceRequest, known: Map[str, Any]) -> DeviceRequest:
        selector = request.late
        if selector is None or len(self._problems) or self._waits(selector, known):
            return request
        try:
            return replace(request, selector=str(selector.evaluate(known)), late=None)
        except PipelineError as error:
            self._take(request, error)
        return replace(request, selector="")

    def _take(self, request: DeviceRequest, error: PipelineError) -> None:
        if self._call is None:
            self._problems.take(error)
            return
        words = [name.split(".")[1] for name, _ in getattr(request.late, "references", ()) if "." in name]
        where: Span = next((self._call.places[(w,)] for w in words if (w,) in self._call.places), self._call.where)
        template = self._call.template
        what = f"the selector of '{request.role}' in {template} is resolved before the run, and this is not known then"
        advice = f"give it a value, or an input of the pipeline; it is used at {request.where}"
        self._problems.add(what, code="fixed", where=where, help=advice)
