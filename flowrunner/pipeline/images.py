"""Which images from elsewhere a plan needs, as far as that is known before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.errors import FlowrunnerError, Span
from flowrunner.expressions import Expression
from flowrunner.pipeline.plan import Call, Job, Node, Plan, StepNode, below, within

Names = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A step that takes a file which a lock can pin; `name` is None when that is known only when it runs."""

    name: str | None
    where: Span
    checksum: str | None = None


def is_elsewhere(name: str) -> bool:
    """Whether an image is at a server, and not a file of this machine."""
    return "://" in name and not name.startswith("file://")


def image_uses(plan: Plan, environment: Mapping[str, str]) -> Iterator[ImageUse]:
    """Each use of an image from elsewhere, or of one that may be."""
    names = {"inputs": plan.inputs, "env": environment}
    for node in within(plan.scope):
        yield from _uses(node, names)


def _uses(node: Node, names: Names) -> Iterator[ImageUse]:
    for found in _repeated(node, names):
        if isinstance(node, StepNode):
            yield from _of_step(node, found)
        inner = found
        if isinstance(node, Call):
            given = _value(node.values, found)
            defaults = {name: field.default for name, field in node.accepts.model_fields.items()}
            inner = {"inputs": {**defaults, **given} if isinstance(given, Mapping) else {}}
        for child in below(node):
            yield from _uses(child, inner)


def _repeated(node: Node, names: Names) -> Sequence[Names]:
    """The names that each repetition of `node` sees."""
    if isinstance(node, Job) and node.matrix:
        return [{**names, "matrix": instance} for instance in node.matrix.instances]
    if node.foreach is None:
        return [names]
    items = _value(node.foreach, names)
    if not isinstance(items, list | tuple):
        return [names]
    return [{**names, "loop": {"item": item, "index": index}} for index, item in enumerate(items)]


def _of_step(node: StepNode, names: Names) -> Iterator[ImageUse]:
    for source, checksum in node.step.stored_files(node.values):
        value, digest = _value(source, names), _value(checksum, names)
        if not isinstance(value, str):
            yield ImageUse(None, node.where)
        elif is_elsewhere(value):
            yield ImageUse(value, node.where, digest if isinstance(digest, str) else None)


def _value(value: Any, names: Names) -> Any:
    """The value, with None for what is not known yet."""
    if isinstance(value, Expression):
        try:
            return value.evaluate(names)
        except FlowrunnerError:
            return None
    if isinstance(value, Mapping):
        return {key: _value(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, names) for item in value]
    return value
