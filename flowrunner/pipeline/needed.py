"""What the steps that run need of those that are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.errors import PipelineError, Span
from flowrunner.expressions import Expression
from flowrunner.pipeline.plan import Background, Barrier, Block, Call, Job, Node, Scope, StepNode


@dataclass(slots=True)
class NodePlace:
    """A node with what surrounds it: `after` says that it is in `rescue`, `finally` or `between`."""

    node: Node
    above: tuple[Node, ...]
    after: bool

    @property
    def leaf(self) -> bool:
        return not isinstance(self.node, Block | Barrier)

    @property
    def tags(self) -> set[str]:
        return {tag for node in (*self.above, self.node) for tag in node.tags}

    @property
    def names(self) -> str:
        """The path of the job or the call whose ids it sees."""
        return next((node.path for node in reversed(self.above) if isinstance(node, Job | Call)), "")


def missing(place: NodePlace, places: Mapping[str, NodePlace], left_out: Mapping[str, str]) -> Iterator[PipelineError]:
    """An error for each output that the node at `place` needs, and that nothing gives."""
    if place.node.path in left_out:
        return
    for name, where in _references(place.node):
        source = _source(name, place.names, places)
        if source is not None and source in left_out:
            yield PipelineError(
                f"'{place.node.path}' needs {name}, and '{source}' is left out by {left_out[source]}",
                code="selection", where=where, help=f"let '{source}' run as well, or leave '{place.node.path}' out",
            )  # fmt: skip


def _source(name: str, names: str, places: Mapping[str, NodePlace]) -> str | None:
    """The path of the step or the job whose outputs `name` is about."""
    words = name.split(".")
    if len(words) < 3 or words[0] not in ("steps", "needs") or words[2] != "outputs":
        return None
    if words[0] == "needs":
        return words[1]
    return next((p for p, place in places.items() if place.node.id == words[1] and place.names == names), None)


def _references(node: Node) -> Iterator[tuple[str, Span]]:
    values: list[Any] = [node.condition, node.timeout, node.foreach, node.idle_timeout]
    if isinstance(node, StepNode | Call):
        values.append(node.values)
    if isinstance(node, Background):
        values += [node.body.values, node.ready.within if node.ready else None]
    if isinstance(node, Block):
        scope = node.scope
        values += [scope.timeout, scope.finally_timeout, scope.queue_timeout, *(one.late for one in scope.devices)]
    yield from _inside(values)


def _inside(value: Any) -> Iterator[tuple[str, Span]]:
    if isinstance(value, Expression):
        yield from value.references
    elif isinstance(value, Mapping):
        yield from _inside(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inside(item)


def trimmed(scope: Scope, names: str, places: Mapping[str, NodePlace], left_out: Mapping[str, str]) -> Scope:
    """`scope` without the outputs that nothing gives."""

    def node(one: Node) -> Any:
        if not isinstance(one, Block):
            return one
        inner = one.path if isinstance(one, Job | Call) else names
        return replace(one, scope=trimmed(one.scope, inner, places, left_out))

    outputs = {
        name: value
        for name, value in scope.outputs.items()
        if not any(_source(reference, names, places) in left_out for reference, _ in _inside(value))
    }
    return replace(
        scope, outputs=outputs, jobs=tuple(map(node, scope.jobs)), branches=tuple(map(node, scope.branches)),
        steps=tuple(map(node, scope.steps)), rescue=tuple(map(node, scope.rescue)), last=tuple(map(node, scope.last)),
    )  # fmt: skip
