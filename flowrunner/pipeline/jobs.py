"""`jobs`: lists of steps with devices of their own, in the order that their needs make."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.errors import near
from flowrunner.expressions import Expression
from flowrunner.expressions.names import Names, Unavailable
from flowrunner.model import Type
from flowrunner.pipeline.actions import COMMON, SCOPE, Parts
from flowrunner.pipeline.common import read_block
from flowrunner.pipeline.fit import Fitted, Fitter
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import NAMING, RESERVED, collect_ids, is_name
from flowrunner.pipeline.job_keys import JobKeys
from flowrunner.pipeline.matrix import read_matrix
from flowrunner.pipeline.names import Known
from flowrunner.pipeline.outputs import type_of_value
from flowrunner.pipeline.plan import Job, Matrix, Scope
from flowrunner.pipeline.rollout import SEEN, compile_rollout, with_fleet
from flowrunner.pipeline.scope import compile_scope, compile_sequence
from flowrunner.source import Mapping, Node, Scalar, Sequence

NOT_HERE = ("devices", "watch", "queue_timeout")
"""Keys of a scope that a pipeline with jobs leaves to them."""

BLOCK = ("name", "if", "retry", "severity", "tags")
"""Keys that a job has in common with a block."""


@dataclass(frozen=True, slots=True)
class _Declared:
    key: Scalar
    node: Mapping
    needs: tuple[str, ...]


def compile_jobs(here: Here, root: Mapping) -> Scope:
    """The scope of a pipeline with jobs, which has steps of its own only in `rescue` and `finally`."""
    for key, _ in root.entries:
        if key.value in NOT_HERE:
            what, advice = f"a pipeline with jobs has no key '{key.value}'", "give it to the jobs that need it"
            here.problems.add(what, code="unknown-key", where=key.where, help=advice)
    entries = {str(k.value): (k, v) for k, v in root.entries if k.value in SCOPE and k.value not in NOT_HERE}
    return compile_scope(here, entries, None, root.entries[0][0].where, lambda inner: _all(inner, root.get("jobs")))


def _all(here: Here, node: Node | None) -> tuple[dict[str, Any], Names]:
    """All jobs in the order of the file, and what is known of them when they ended."""
    declared = _declared(here, node)
    views: dict[str, Any] = {}
    compiled: dict[str, Job | None] = {}
    for name in _ordered(here, declared):
        compiled[name], views[name] = _job(here, name, declared, views)
    return {"jobs": tuple(job for name in declared if (job := compiled.get(name)) is not None)}, {"needs": views}


def _declared(here: Here, node: Node | None) -> dict[str, _Declared]:
    found: dict[str, _Declared] = {}
    names = [str(key.value) for key, _ in node.entries] if isinstance(node, Mapping) else []
    if isinstance(node, Mapping) and not names:
        here.problems.add("there is no job here", code="no-steps", where=node.where, help="add one")
    for key, value in node.entries if isinstance(node, Mapping) else ():
        name = str(key.value)
        if not is_name(name) or name in RESERVED:
            why = NAMING if not is_name(name) else "it is a word of the language"
            here.problems.add(f"'{name}' cannot be the name of a job", code="bad-name", where=key.where, help=why)
        elif not isinstance(value, Mapping):
            what, advice = f"the job '{name}' needs a mapping", f"write it as {name}: {{steps: [...]}}"
            here.problems.add(what, code="wrong-type", where=value.where, help=advice)
        else:
            found[name] = _Declared(key, value, _needs(here, name, value.get("needs"), names))
    return found


def _needs(here: Here, job: str, node: Node | None, names: list[str]) -> tuple[str, ...]:
    found = dict[str, None]()
    for item in node.items if isinstance(node, Sequence) else (node,) if node else ():
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            continue  # the model of the job says so
        if item.value == job:
            here.problems.add(f"the job '{job}' needs itself", code="needs-cycle", where=item.where)
        elif item.value not in names:
            what, advice = f"there is no job '{item.value}'", near(item.value, [n for n in names if n != job])
            here.problems.add(what, code="unknown-job", where=item.where, help=advice)
        else:
            found[item.value] = None
    return tuple(found)


def _ordered(here: Here, declared: Map[str, _Declared]) -> list[str]:
    """The names so that each comes after those that it needs."""
    order: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in declared:
            return
        if name in open_:
            circle = " needs ".join([*open_[open_.index(name) :], name])
            first = declared[open_[open_.index(name)]].key
            what = f"the job '{first.value}' waits for itself"
            here.problems.add(what, code="needs-cycle", where=first.where, help=circle)
            return
        open_.append(name)
        for need in declared[name].needs:
            visit(need)
        open_.pop()
        order.append(name)

    for name in declared:
        visit(name)
    return order


def _job(here: Here, name: str, declared: Map[str, _Declared], views: Map[str, Any]) -> tuple[Job | None, Any]:
    """One job, and what others know of it."""
    one = declared[name]
    node = one.node
    known = Known(here.known.inputs, here.known.secrets, collect_ids(here.problems, node))
    needed = {need: views.get(need, "any") for need in one.needs}
    others = {
        other: Unavailable(f"the job '{name}' does not need '{other}'", f"add '{other}' to its needs")
        for other in declared
        if other not in one.needs
    }
    inside = (
        replace(here, known=known).at(name).seeing(needs={**others, **needed})
        if one.needs
        else replace(here, known=known).at(name)
    )
    keys = _keys(inside, one, name)
    strategy = _strategy(here, one, name)
    written, rolled = strategy.get("matrix"), strategy.get("rollout")
    instances, types = read_matrix(inside, written) if written is not None else ((), {})
    each = inside
    if written is not None:
        each = replace(inside.seeing(matrix=types), late=("matrix",))
    elif rolled is not None:
        each = inside.seeing(**SEEN)
    entries = _entries(node)
    scope = compile_scope(each, entries, node.get("steps"), one.key.where)
    rollout = compile_rollout(inside, rolled, entries, one.key.where) if rolled is not None else None
    scope = with_fleet(scope, rollout)
    outputs: dict[str, Type] = {output: type_of_value(value) for output, value in scope.outputs.items()}
    if strategy:
        outputs = dict.fromkeys(outputs, "list")
    plan = keys.get("strategy")
    matrix = None
    if written is not None:
        fast, most = (plan.fail_fast, plan.max_parallel) if plan else (True, None)
        matrix = Matrix(instances=instances, max_parallel=most, fail_fast=fast)
    job = Job(
        action="job", scope=scope, needs=one.needs, matrix=matrix, rollout=rollout,
        group=_group(each, node.get("concurrency")),
        **_fields(inside, each, one, name),
    )  # fmt: skip
    return job, {"outcome": "string", "outputs": outputs}


def _strategy(here: Here, one: _Declared, name: str) -> dict[str, Node]:
    """How the job is multiplied: its matrix or its rollout; neither without a strategy, or with one that is no good."""
    node = one.node.get("strategy")
    if not isinstance(node, Mapping):
        return {}
    found = {word: value for word in ("matrix", "rollout") if (value := node.get(word)) is not None}
    if len(found) != 1:
        what = f"the strategy of '{name}' {'has both' if found else 'needs one of'} matrix and rollout"
        code = "bad-rollout" if found else "missing-key"
        here.problems.add(what, code=code, where=node.where, help="a job is multiplied in one way")
        return {}
    for key, _ in node.entries if "rollout" in found else ():
        if key.value in ("max_parallel", "fail_fast"):
            advice = "max_parallel stands inside rollout, and halt_when says when to stop"
            here.problems.add(f"'{key.value}' goes with a matrix", code="bad-rollout", where=key.where, help=advice)
    retry = one.node.get("retry")
    between = retry.key("between") if "rollout" in found and isinstance(retry, Mapping) else None
    if between is not None:
        what, advice = "a rollout has no steps between attempts", "a device that waits for another one is not leased"
        here.problems.add(what, code="bad-rollout", where=between.where, help=advice)
    return found


def _entries(node: Mapping) -> dict[str, tuple[Scalar, Node]]:
    return {str(key.value): (key, value) for key, value in node.entries if key.value in SCOPE}


def _keys(here: Here, one: _Declared, name: str) -> Fitted[JobKeys]:
    """The keys that only a job has; those of a block are checked with it."""
    kept = [e for e in one.node.entries if e[0].value not in SCOPE and e[0].value not in (*BLOCK, "concurrency")]
    return here.fit(JobKeys, Mapping(tuple(kept), one.node.where), f"the job '{name}'", anchor=one.key.where)


def _fields(here: Here, each: Here, one: _Declared, name: str) -> dict[str, Any]:
    """The fields that a job has as every block has them."""
    common = {str(k.value): (k, v) for k, v in one.node.entries if k.value in BLOCK and k.value in COMMON}
    action = Scalar("job", one.key.where, "job", plain=True)
    parts = Parts(one.node, action, one.node, common=common, scope={})
    outer = replace(here, path="")
    read = read_block(outer, parts, 1, "")
    read = replace(read, inner=replace(read.inner, path=name, local={**each.local, **read.inner.local}))
    return {**read.fields(name, lambda steps, place: compile_sequence(place, steps)), "id": name}


def _group(here: Here, node: Node | None) -> str | Expression | None:
    """The name of the group of which one runs at a time."""
    if node is None:
        return None
    key = Scalar("concurrency", node.where, "concurrency", plain=True)
    whole = Mapping(((key, node),), node.where)
    read = Fitter(here.problems, JobKeys, whole, here.read(), label="the job", anchor=node.where, partial=True).fit()
    if isinstance(node, Mapping) and not node.entries:
        what, advice = "concurrency needs the key 'group'", "write it as concurrency: name"
        here.problems.add(what, code="missing-key", where=node.where, help=advice)
    value = read.values.get("concurrency")
    group = value.get("group") if isinstance(value, dict) else value
    return group if isinstance(group, str | Expression) else None
