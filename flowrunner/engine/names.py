"""What expressions see at run time, and how values with expressions become plain ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from flowrunner.engine.result import Result
from flowrunner.errors import PipelineError, Span
from flowrunner.expressions import Expression
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import StepNode
from flowrunner.step import Step


@dataclass(slots=True)
class Frame:
    """The names of one place in the run: `fixed` for the whole run, `steps` by id, `local` such as `loop`."""

    fixed: Mapping[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)

    def names(self) -> dict[str, Any]:
        """All names with their values."""
        return {**self.fixed, "steps": self.steps, "devices": self.devices, **self.local}

    def inner(self, *, apart: bool = False, **local: Any) -> Frame:
        """A frame with more local names; `apart` keeps the steps that are recorded in it from this one."""
        steps = dict(self.steps) if apart else self.steps
        return Frame(self.fixed, steps, dict(self.devices), {**self.local, **local})

    def record(self, id: str | None, result: Result, *, readable: bool) -> None:
        """Let later steps see how the step `id` ended, and its outputs when it passed or was let go on."""
        if id is not None:
            self.steps[id] = {"outcome": result.outcome.value}
            if result.outcome is Outcome.PASSED or readable:
                self.steps[id]["outputs"] = dict(result.outputs)


def resolve(value: Any, frame: Frame) -> Any:
    """`value` with each expression in it evaluated.

    Raises:
        ExpressionError: one of them could not be.
    """
    if isinstance(value, Expression):
        return value.evaluate(frame.names())
    if isinstance(value, Mapping):
        return {key: resolve(item, frame) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, frame) for item in value]
    return value


def seconds(value: Duration | Expression | None, frame: Frame) -> Duration | None:
    """A limit of the author's.

    Raises:
        PipelineError: it is not a duration above zero.
    """
    found = resolve(value, frame)
    if found is None:
        return None
    if not isinstance(found, Duration) or not found > 0:
        where = value.where if isinstance(value, Expression) else None
        raise PipelineError(f"a limit must be a duration above zero, got {found!r}", code="bad-value", where=where)
    return found


def build(node: StepNode, frame: Frame) -> Step:
    """The step's model with its parameters evaluated.

    Raises:
        PipelineError: a value does not fit its parameter.
    """
    values = resolve(node.values, frame)
    try:
        return node.step.model_validate(values)
    except ValidationError as error:
        raise misfit(error, node.action, node.places, node.where) from error


def misfit(error: ValidationError, label: str, places: Places, where: Span) -> PipelineError:
    """The error that a value does not fit what it is for; `label` names that when no key does."""
    first = error.errors(include_url=False)[0]
    path = first["loc"]
    while path and path not in places:
        path = path[:-1]
    return PipelineError(
        f"{'.'.join(map(str, first['loc'])) or label}: {first['msg']}", code="bad-value", where=places.get(path, where),
        help=str(first.get("ctx", {}).get("help", "")) or None,
    )  # fmt: skip


Places = Mapping[tuple[int | str, ...], Span]
"""The place of each value by its path."""
