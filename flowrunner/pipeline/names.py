"""The names that expressions see, as they become known while a job is compiled in the order in which it runs."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as Map
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from flowrunner.errors import PipelineError, Span
from flowrunner.expressions.names import ANY, Names, Unavailable
from flowrunner.model import Type
from flowrunner.source import Mapping, Node, Scalar

LOOP: Names = {"index": "int", "item": ANY, "first": "bool", "last": "bool", "length": "int"}
FAILURE: Names = {"outcome": "string", "message": ANY, "path": "string", "blame": ANY, "cause": ANY}
DEVICE: Names = {"name": "string", "exporter": "string", "labels": "map"}
RUN: Names = {"id": "string", "dir": "string", "started": "string"}

WAVE: Names = {"name": "string", "number": "int", "size": "int"}
FLEET: Names = {"selector": "string", "size": "int"}
COUNTED: Names = dict.fromkeys(("started", "finished", "passed", "failed", "errored"), "int")

ELSEWHERE: Names = {
    "loop": Unavailable("'loop' exists only in what has foreach", "add foreach to the step, or to a group around it"),
    "attempt": Unavailable("'attempt' exists only in what has retry", "add retry to the step, or to a group around it"),
    "failure": Unavailable("'failure' exists only in rescue", "use steps.<id>.outcome"),
    "matrix": Unavailable("'matrix' exists only in a job whose strategy has a matrix", "give it one, or use inputs"),
    "needs": Unavailable("'needs' exists only in a job that needs others, and behind all jobs", "add needs: [...]"),
    **{
        word: Unavailable(
            f"'{word}' exists only in a job whose strategy is a rollout", "give it one: see docs/rollouts.md"
        )
        for word in ("wave", "fleet")
    },
}
"""Names that are not everywhere."""


@dataclass(slots=True)
class Known:
    """What is known so far of one job. `ids` are all ids in it, with their places."""

    inputs: Map[str, Type]
    secrets: Collection[str]
    ids: Map[str, Span]
    steps: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with no step: all of them run later."""
        for name, where in self.ids.items():
            self.steps[name] = Unavailable(f"the step '{name}' runs later", f"it is defined at {where.short}")

    def define(self, id: str | None, outputs: Map[str, Type]) -> None:
        """From here on the step `id` has run."""
        if id is not None:
            self.steps[id] = {"outcome": "string", "outputs": outputs}

    def fork(self) -> Known:
        """What is known, as one of several branches sees it from here on."""
        twin = copy(self)
        twin.steps = dict(self.steps)
        return twin

    def hide(self, id: str | None, why: Unavailable) -> None:
        """The step `id` has started, and leaves nothing."""
        if id is not None:
            self.steps[id] = why

    def with_place(self, error: PipelineError) -> PipelineError:
        """An error about an unknown step, with the place of the one that is meant."""
        meant = re.fullmatch(r"did you mean '(\w+)'\?", error.help or "")
        if error.code != "unknown-step" or not meant or meant[1] not in self.ids:
            return error
        advice = f"{error.help} (defined at {self.ids[meant[1]].short})"
        return PipelineError(error.what, code=error.code, where=error.where, help=advice)

    def give_up(self, node: Node) -> None:
        """A step that is no good: nothing is known of it, so that nobody complains of what refers to it."""
        given = node.get("id") if isinstance(node, Mapping) else None
        if isinstance(given, Scalar) and given.value in self.ids:
            self.steps[str(given.value)] = ANY

    def defined(self) -> set[str]:
        """The ids of the steps that have run."""
        return {name for name, step in self.steps.items() if isinstance(step, dict)}

    def repeat(self, before: Collection[str]) -> None:
        """What was defined since `before` is repeated: seen from outside its outputs are lists."""
        for name in self.defined() - set(before):
            self.define(name, dict.fromkeys(self.steps[name]["outputs"], "list"))

    def names(self, roles: Collection[str], local: Names) -> Names:
        """The tree of all names; it goes on growing with the steps that are defined."""
        return {
            **ELSEWHERE,
            "inputs": self.inputs,
            "secrets": dict.fromkeys(self.secrets, "secret"),
            "env": ANY,
            "run": RUN,
            "devices": dict.fromkeys(roles, DEVICE),
            "steps": self.steps,
            **local,
        }
