"""Races: one device used by two branches without an order between them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from itertools import combinations
from typing import Any, NamedTuple

from flowrunner.errors import PipelineError, Span
from flowrunner.pipeline.devices import Roles
from flowrunner.pipeline.plan import Block, Call, Node, StepNode, below


class Segment(NamedTuple):
    """The steps of a branch between two barriers, counted from 0."""

    branch: str
    number: int


Names = Map[str, str]
"""What a role of a template is called where the branches are."""


def find_races(
    nodes: Map[Segment, tuple[Node, ...]], before: Map[Segment, frozenset[Segment]], roles: Roles
) -> Iterator[PipelineError]:
    """An error for each device that two segments of different branches use, of which none is before the other."""
    outside = {role: role for role in roles}
    used = {segment: _first(steps, outside) for segment, steps in nodes.items()}
    told: set[tuple[str, str, str]] = set()
    for one, other in combinations(sorted(nodes), 2):
        if one.branch == other.branch or one in before[other] or other in before[one]:
            continue
        for role in used[one].keys() & used[other].keys():
            if (role, one.branch, other.branch) in told:
                continue
            told.add((role, one.branch, other.branch))
            first, second = sorted((used[one][role], used[other][role]))
            branch = one.branch if first == used[one][role] else other.branch
            yield PipelineError(
                f"'{role}' is used here while the branch '{branch}' uses it, at {first.short}", code="race",
                where=second, help="put a barrier between them, or use it in one branch only",
            )  # fmt: skip


def _first(nodes: tuple[Node, ...], names: Names) -> dict[str, Span]:
    """The first place at which each role is used."""
    found: dict[str, Span] = {}
    for node in nodes:
        for role, where in _uses(node, names):
            found.setdefault(role, where)
    return found


def _uses(node: Node, names: Names) -> Iterator[tuple[str, Span]]:
    if isinstance(node, StepNode):
        paths = [node.device, *_paths(node.values, names)]
        yield from ((names[role], node.where) for path in paths if path and (role := path.partition(".")[0]) in names)
    if isinstance(node, Call):
        # What a template uses is the caller's; it is told at the call.
        inside = {role: names[mine] for role, mine in node.roles.items() if mine in names}
        found = {role for child in below(node) for role, _ in _uses(child, inside)}
        yield from ((role, node.where) for role in sorted(found))
        return
    if isinstance(node, Block):
        yield from (
            (names[role], watch.where)
            for watch in node.scope.watch
            if watch.device and (role := watch.device.partition(".")[0]) in names
        )
    for child in below(node):
        yield from _uses(child, names)


def _paths(value: Any, names: Names) -> Iterator[str]:
    """Texts among parameters that are the path of a part: `dut.power.on`."""
    if isinstance(value, str):
        role, dot, rest = value.partition(".")
        if role in names and dot and rest.replace(".", "").replace("_", "").isalnum():
            yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _paths(item, names)
