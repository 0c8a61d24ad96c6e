"""Running a part of a plan: which steps are left out, and whether the others can do without them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowrunner.errors import PipelineError, PipelineErrors, near
from flowrunner.pipeline.needed import NodePlace, missing, trimmed
from flowrunner.pipeline.plan import Barrier, Block, Job, Node, Plan, Scope, within

ALWAYS = "always"
"""A step with this tag runs whatever --tags says."""

_COUNTS = re.compile(r"\[\d+\]|#\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the user asked for: the step to begin with, the only ones to run, tags to run and to leave out."""

    begin: str | None = None
    only: Sequence[str] = ()
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.begin or self.only or self.tags or self.skip_tags)

    def __str__(self) -> str:
        """As it is written on a command line."""
        words = [f"--from {self.begin}"] if self.begin else []
        for option, values in (("--only", self.only), ("--tags", self.tags), ("--skip-tags", self.skip_tags)):
            words += [f"{option} {','.join(values)}"] if values else []
        return " ".join(words)


def address(path: str) -> str:
    """The path of a node in the plan, from one in a journal or report: without iterations and attempts."""
    return _COUNTS.sub("", path)


@dataclass(slots=True)
class _Selector:
    plan: Plan
    selection: Selection
    places: dict[str, NodePlace] = field(default_factory=dict)

    def left_out(self) -> dict[str, str]:
        """The paths of all that does not run, each with the reason."""
        self._collect(self.plan.scope, (), after=False)
        leaves = {path: place for path, place in self.places.items() if place.leaf}
        found = {path: why for path, place in leaves.items() if (why := self._why(place)) is not None}
        if all(path in found for path, place in leaves.items() if not place.after):
            raise PipelineError(
                f"{self.selection} leaves nothing to run", code="selection", help="flow plan lists the steps"
            )
        return {**found, **self._blocks(found)}

    def _collect(self, scope: Scope, above: tuple[Node, ...], *, after: bool) -> None:
        body = (*scope.jobs, *scope.branches, *scope.steps)
        for node in within(scope):
            self._add(node, above, after=after or node not in body)

    def _add(self, node: Node, above: tuple[Node, ...], *, after: bool) -> None:
        self.places[node.path] = NodePlace(node, above, after)
        if isinstance(node, Block):
            self._collect(node.scope, (*above, node), after=after)
        for child in node.retry.between if node.retry else ():
            self._add(child, (*above, node), after=True)

    def _why(self, place: NodePlace) -> str | None:
        """Why a step does not run; None when it does. What comes after a body belongs to it, but for --skip-tags."""
        selection, tags = self.selection, place.tags
        if self._hit(selection.skip_tags, tags):
            return f"--skip-tags {','.join(selection.skip_tags)}"
        if place.after:
            return None
        if selection.tags and not self._hit(selection.tags, tags) and ALWAYS not in tags:
            return f"--tags {','.join(selection.tags)}"
        if selection.only and not any(self._inside(place, self._named(name)) for name in selection.only):
            return f"--only {','.join(selection.only)}"
        if selection.begin and self._before(place, self._named(selection.begin)):
            return f"--from {selection.begin}"
        return None

    def _hit(self, wanted: Sequence[str], tags: set[str]) -> bool:
        known = {tag for place in self.places.values() for tag in place.node.tags}
        for tag in wanted:
            if tag not in known:
                raise PipelineError(f"no step has the tag '{tag}'", code="selection", help=near(tag, known))
        return bool(tags.intersection(wanted))

    def _named(self, name: str) -> NodePlace:
        """The node that the user means: by its path, or by its id or the end of its path when only one has it."""
        wanted = address(name)
        if wanted in self.places:
            return self.places[wanted]
        found = [place for path, place in self.places.items() if place.node.id == wanted or path.endswith(f".{wanted}")]
        if len(found) == 1:
            return found[0]
        what = f"several steps are called '{name}'" if found else f"there is no step '{name}'"
        choices = [place.node.path for place in found] or list(self.places)
        advice = " or ".join(choices) if found else near(wanted, choices)
        raise PipelineError(what, code="selection", help=advice)

    def _inside(self, place: NodePlace, chosen: NodePlace) -> bool:
        return chosen.node in (*place.above, place.node)

    def _before(self, place: NodePlace, first: NodePlace) -> bool:
        """Whether a step is over when `first` begins."""
        mine, theirs = (*place.above, place.node), (*first.above, first.node)
        for one, other in zip(mine, theirs, strict=False):
            if one is other:
                continue
            if isinstance(one, Job) and isinstance(other, Job):
                return one.id in self._needed(other)
            if _is_branch(one):
                return False
            order = list(self.places)
            return order.index(one.path) < order.index(other.path)
        return False

    def _needed(self, job: Job) -> set[str]:
        """The jobs that `job` needs, directly or not."""
        jobs = {str(one.id): one for one in self.plan.scope.jobs}
        found: set[str] = set()
        left = list(job.needs)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left.extend(jobs[name].needs)
        return found

    def _blocks(self, left_out: Mapping[str, str]) -> dict[str, str]:
        """The blocks whose steps are all left out; branches meet at their barriers as long as one of them has steps."""
        found: dict[str, str] = {}
        for path, place in self.places.items():
            inside = [
                p for p, other in self.places.items() if other.leaf and place.node in other.above and not other.after
            ]
            if isinstance(place.node, Block) and inside and all(p in left_out for p in inside):
                found[path] = left_out[inside[0]]
        for path, place in self.places.items():
            if isinstance(place.node, Barrier) or _is_branch(place.node):
                around = next(node for node in reversed(place.above) if not _is_branch(node))
                found.pop(path, None)
                if around.path in found:
                    found[path] = found[around.path]
        return found


def select(plan: Plan, selection: Selection) -> tuple[Plan, dict[str, str]]:
    """The plan as far as it runs, and the paths of the nodes that are left out with the reasons.

    Outputs of scopes that come from a step that is left out are left out as well.

    Raises:
        PipelineErrors: a step is not known, nothing is left, or a step needs what one that is left out would say.
    """
    selector = _Selector(plan, selection)
    try:
        left_out = selector.left_out()
    except PipelineError as error:
        raise PipelineErrors([error], plan.sources) from error
    errors = [error for place in selector.places.values() for error in missing(place, selector.places, left_out)]
    if errors:
        raise PipelineErrors({str(error): error for error in errors}.values(), plan.sources)
    return replace(plan, scope=trimmed(plan.scope, "", selector.places, left_out)), left_out


def _is_branch(node: Node) -> bool:
    return isinstance(node, Block) and node.action == "branch"
