"""The ids of a job: found before anything is compiled, so that a name can be known to come later."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrunner.errors import Span
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Node, Scalar, Sequence

RESERVED = frozenset({"rescue", "finally", "between", "steps", "gate", "rollback"})
"""Words that stand in paths for something else."""

NAME = re.compile(r"[a-z_][a-z0-9_]*")


NAMING = "names are small letters, digits and underscores, and do not begin with a digit"


def is_name(text: str) -> bool:
    """Whether `text` can be an id, the name of an input or secret, or a role."""
    return NAME.fullmatch(text) is not None


def collect_ids(problems: Problems, root: Mapping) -> dict[str, Span]:
    """Every id below `root` with its place; what cannot be one, and what is used twice, is noted."""
    found: dict[str, Span] = {}
    for node in _ids(root):
        text = node.value
        if not isinstance(text, str):
            continue  # the model of the step says so
        if text in RESERVED:
            what = f"'{text}' cannot be an id: it is a word of the language"
            problems.add(what, code="bad-id", where=node.where, help=f"call it '{text}_step' or such")
        elif text in found:
            what = f"the id '{text}' is used twice"
            problems.add(what, code="duplicate-id", where=node.where, help=f"the other one is at {found[text].short}")
        elif is_name(text):
            found[text] = node.where
    return found


def ids_in(steps: Node | None) -> set[str]:
    """The ids in a list of steps, at any depth."""
    return {node.value for node in _listed(steps) if isinstance(node.value, str)}


def _ids(scope: Mapping) -> Iterator[Scalar]:
    """The ids in all lists of steps of a scope, in the order in which they run."""
    for key in ("steps", "group", "rescue", "finally"):
        yield from _listed(scope.get(key))
    parallel = scope.get("parallel")
    branches = parallel.get("branches") if isinstance(parallel, Mapping) else None
    for _, branch in branches.entries if isinstance(branches, Mapping) else ():
        yield from _listed(branch)
    lease = scope.get("lease")
    if isinstance(lease, Mapping):
        yield from _listed(lease.get("steps"))
    retry = scope.get("retry")
    if isinstance(retry, Mapping):
        yield from _listed(retry.get("between"))


def _listed(steps: Node | None) -> Iterator[Scalar]:
    for step in steps.items if isinstance(steps, Sequence) else ():
        if isinstance(step, Mapping):
            given = step.get("id")
            if isinstance(given, Scalar):
                yield given
            yield from _ids(step)
