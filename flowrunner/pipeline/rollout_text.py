"""A rollout in the tree of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flowrunner.expressions import Expression
from flowrunner.pipeline.plan import Node, Rollout, Wave

Branch = tuple[str, list[Any]]


def rollout_branches(rollout: Rollout, node: Callable[[Node], Branch]) -> Iterator[Branch]:
    """The waves with their gates, what limits them, and what is done when it goes wrong; `node` draws a node."""
    waves = [(_wave(wave), [node(wave.gate)] if wave.gate else []) for wave in rollout.waves]
    yield f"rollout over {rollout.fleet or 'any'}, as device {rollout.role}", [*waves, *_limits(rollout)]
    back = [node(rollout.rollback)] if rollout.rollback else []
    yield f"on halt: {rollout.on_halt}", back


def _wave(wave: Wave) -> str:
    size = f"until {wave.percent:g}%" if wave.percent is not None else f"{wave.size} devices"
    soak = wave.soak.text if isinstance(wave.soak, Expression) else wave.soak
    approval = ", when somebody approves" if wave.approve else ""
    return f"wave {wave.name}: {size}" + (f", soaks for {soak}" if soak is not None else "") + approval


def _limits(rollout: Rollout) -> Iterator[Branch]:
    if rollout.max_parallel:
        yield f"{rollout.max_parallel} at once", []
    if rule := rollout.unavailable:
        count = f"{rule.percent:g}%" if rule.percent is not None else str(rule.count)
        yield f"at most {count} out of service" + (f" for each {rule.label}" if rule.label else ""), []
    for condition in rollout.halt_when:
        yield f"halts when {condition.text}", []
