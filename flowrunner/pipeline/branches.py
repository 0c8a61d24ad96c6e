"""`parallel`: branches beside each other, and the barriers at which they meet.

What stands between two barriers of a branch is a segment. Segments are compiled in an order in which they may run, so
that each sees the steps of other branches that a barrier puts before it, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.errors import Span
from flowrunner.expressions.names import Names, Unavailable
from flowrunner.pipeline.actions import Parts, take_apart
from flowrunner.pipeline.common import read_common
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import NAMING, RESERVED, ids_in, is_name
from flowrunner.pipeline.job_keys import ParallelKeys
from flowrunner.pipeline.plan import Barrier, Block, Node, Scope
from flowrunner.pipeline.races import Segment, find_races
from flowrunner.source import Mapping, Scalar, Sequence
from flowrunner.source import Node as Tree

Compile = Callable[[Here, list[tuple[int, Tree]]], tuple[Node, ...]]
"""Compiles some steps with their positions in their list."""

BARRIER_KEYS = frozenset({"id", "name", "timeout", "tags"})
"""What a barrier may have beside it: nothing that could skip it, or do it twice."""


@dataclass(slots=True)
class _Barrier:
    position: int
    parts: Parts
    name: str
    where: Span


@dataclass(slots=True)
class _Branch:
    """A branch while it is compiled: `at` is the number of its segment, `before` the segments that are before that."""

    name: str
    key: Scalar
    here: Here
    segments: list[list[tuple[int, Tree]]]
    barriers: list[_Barrier]
    ids: set[str]
    at: int = 0
    before: frozenset[Segment] = frozenset()
    nodes: list[Node] = field(default_factory=list)

    @property
    def next(self) -> str | None:
        """The barrier that comes next."""
        return self.barriers[self.at].name if self.at < len(self.barriers) else None


def compile_branches(here: Here, value: Tree, anchor: Span, compile: Compile) -> tuple[dict[str, Any], Names]:
    """The branches below `value`, as fields of the scope around them."""
    if not isinstance(value, Mapping):
        what, advice = "parallel needs a mapping with branches", "write it as parallel: {branches: {name: [steps]}}"
        here.problems.add(what, code="wrong-type", where=value.where, help=advice)
        return {}, {}
    keys = here.fit(ParallelKeys, value, "parallel", anchor=anchor)
    work = _Work(here, compile, _branches(here, value.get("branches")))
    work.run()
    return {"branches": work.blocks(), "fail_fast": keys.get("fail_fast")}, {}


def _branches(here: Here, node: Tree | None) -> list[_Branch]:
    found = []
    for key, steps in node.entries if isinstance(node, Mapping) else ():
        name = str(key.value)
        if not is_name(name) or name in RESERVED:
            why = NAMING if not is_name(name) else "it is a word of the language"
            here.problems.add(f"'{name}' cannot be the name of a branch", code="bad-name", where=key.where, help=why)
        elif not isinstance(steps, Sequence) or not steps.items:
            what, advice = f"the branch '{name}' needs a list of steps", f"write it as {name}: [...]"
            here.problems.add(what, code="wrong-type", where=steps.where, help=advice)
        else:
            found.append(_branch(here, name, key, steps))
    for branch in found:
        for other in found:
            for id in other.ids if other is not branch else ():
                branch.here.known.steps[id] = Unavailable(
                    f"the step '{id}' is in another branch, and no barrier puts it before this one",
                    "put a barrier behind it, and one of the same name before this step",
                )
    return found


def _branch(here: Here, name: str, key: Scalar, steps: Sequence) -> _Branch:
    inside = here.at(name)
    segments: list[list[tuple[int, Tree]]] = [[]]
    barriers: list[_Barrier] = []
    for position, item in enumerate(steps.items, 1):
        parts = take_apart(here.problems, item) if isinstance(item, Mapping) and item.key("barrier") else None
        if parts is None or parts.action.value != "barrier":
            segments[-1].append((position, item))
            continue
        value = parts.value
        if not isinstance(value, Scalar) or not isinstance(value.value, str) or not is_name(value.value):
            what, advice = "a barrier needs a name", f"write it as barrier: ready; {NAMING}"
            here.problems.add(what, code="bad-barrier", where=value.where, help=advice)
            continue
        barriers.append(_Barrier(position, parts, value.value, value.where))
        segments.append([])
    return _Branch(name, key, replace(inside, known=here.known.fork()), segments, barriers, ids_in(steps))


class _Work:
    """The branches of one `parallel` on their way to the plan."""

    def __init__(self, here: Here, compile: Compile, branches: list[_Branch]) -> None:
        self._here = here
        self._compile = compile
        self._branches = branches
        self._before: dict[Segment, frozenset[Segment]] = {}
        self._nodes: dict[Segment, tuple[Node, ...]] = {}
        self._participants: dict[str, list[_Branch]] = {}

    def run(self) -> None:
        """Compile all of it, and prove that the branches come through, and do not touch one device at once."""
        self._meet()
        for branch in self._branches:
            self._segment(branch)
        while (name := self._open()) is not None:
            self._join(name)
        self._stuck()
        for race in find_races(self._nodes, self._before, self._here.roles):
            self._here.problems.take(race)
        for branch in self._branches:
            for id in branch.ids & branch.here.known.steps.keys():
                self._here.known.steps[id] = branch.here.known.steps[id]

    def blocks(self) -> tuple[Block, ...]:
        """The branches as nodes."""
        return tuple(
            Block(
                action="branch", path=branch.here.path, id=None, name=branch.name, where=branch.key.where,
                scope=Scope(steps=tuple(branch.nodes)),
            )
            for branch in self._branches
        )  # fmt: skip

    def _meet(self) -> None:
        """Find out who meets where; a barrier is passed once by each of at least two branches."""
        for branch in self._branches:
            for barrier in branch.barriers:
                meeting = self._participants.setdefault(barrier.name, [])
                if branch in meeting:
                    what = f"the branch '{branch.name}' comes to the barrier '{barrier.name}' twice"
                    self._complain(what, barrier, "give the second one another name")
                else:
                    meeting.append(branch)
        for name, meeting in self._participants.items():
            if len(meeting) == 1:
                barrier = next(one for one in meeting[0].barriers if one.name == name)
                self._complain(f"nobody else comes to the barrier '{name}'", barrier, "name it in another branch")

    def _open(self) -> str | None:
        """A barrier at which all who meet there have arrived."""
        names = (name for name in self._participants if all(b.next == name for b in self._participants[name]))
        return next(names, None)

    def _join(self, name: str) -> None:
        meeting = self._participants.pop(name)
        done = frozenset(Segment(branch.name, branch.at) for branch in meeting)
        before = done.union(*(branch.before for branch in meeting))
        known = [item for one in meeting for item in one.here.known.steps.items()]
        seen = {id: step for id, step in known if not isinstance(step, Unavailable)}
        for branch in meeting:
            branch.here.known.steps.update(seen)
            barrier = branch.barriers[branch.at]
            branch.nodes.append(self._barrier(branch, barrier, tuple(one.name for one in meeting)))
        for branch in meeting:
            branch.at, branch.before = branch.at + 1, before
            self._segment(branch)

    def _segment(self, branch: _Branch) -> None:
        nodes = self._compile(branch.here, branch.segments[branch.at])
        segment = Segment(branch.name, branch.at)
        self._nodes[segment], self._before[segment] = nodes, branch.before
        branch.nodes += nodes

    def _barrier(self, branch: _Branch, barrier: _Barrier, participants: tuple[str, ...]) -> Barrier:
        parts = barrier.parts
        for key in parts.common.keys() - BARRIER_KEYS:
            what, advice = f"a barrier has no key '{key}'", "whoever meets there has to come, exactly once"
            self._here.problems.add(what, code="unknown-key", where=parts.common[key][0].where, help=advice)
        kept = {name: entry for name, entry in parts.common.items() if name in BARRIER_KEYS}
        only = Parts(parts.node, parts.action, parts.value, kept, {})
        common = read_common(branch.here, only, barrier.position, defaults=False)
        fields = common.fields(common.id or f"barrier {barrier.name}", lambda steps, place: ())
        branch.here.known.define(common.id, {})
        return Barrier(meeting=barrier.name, participants=participants, **fields)

    def _stuck(self) -> None:
        """Barriers that nobody ever comes through: some branch waits at another one for ever."""
        waiting: Map[str, list[_Branch]] = {}
        for branch in self._branches:
            if branch.next in self._participants:
                waiting = {**waiting, str(branch.next): [*waiting.get(str(branch.next), []), branch]}
        if len(waiting) < 2:
            return
        names = " and ".join(f"'{name}'" for name in waiting)
        for branches in waiting.values():
            for branch in branches:
                what = f"the branches come to {names} in different orders, so nobody gets through"
                self._complain(what, branch.barriers[branch.at], "put them into the same order everywhere")

    def _complain(self, what: str, barrier: _Barrier, advice: str) -> None:
        self._here.problems.add(what, code="bad-barrier", where=barrier.where, help=advice)
