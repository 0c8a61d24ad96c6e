"""The plan as a tree that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowrunner.expressions import Expression
from flowrunner.pipeline.plan import (
    Background,
    Barrier,
    Block,
    Call,
    DeviceRequest,
    Job,
    Matrix,
    Node,
    Plan,
    Retry,
    Scope,
    StepNode,
)
from flowrunner.pipeline.rollout_text import rollout_branches

Branch = tuple[str, list["Branch"]]


def plan_text(plan: Plan) -> str:
    """The whole plan: inputs, devices, and each step with its limits and places."""
    lines = [plan.name + (f": {plan.description.strip()}" if plan.description else "")]
    for name, value in plan.inputs.items():
        shown = f"{value}" + (f" (sha256 {plan.input_files[name].sha256[:12]})" if name in plan.input_files else "")
        lines.append(f"  input {name}: {plan.input_types[name]} = {shown}")
    lines += [f"  secret {name}" for name in plan.secrets]
    lines += _draw(_scope(plan.scope), "")
    lines.append(f"digest {plan.digest}")
    return "\n".join(lines) + "\n"


def _scope(scope: Scope) -> list[Branch]:
    found: list[Branch] = [(_device(request), []) for request in scope.devices]
    limits = {"timeout": scope.timeout, "finally": scope.finally_timeout, "queue": scope.queue_timeout}
    set_ = [f"{name} {_shown(limit)}" for name, limit in limits.items() if limit is not None]
    found += [("limits: " + ", ".join(set_), [])] if set_ else []
    found += [(f"watch {watch.device}: {watch.pattern} -> {watch.outcome}", []) for watch in scope.watch]
    found += [_node(node) for node in (*scope.jobs, *scope.branches, *scope.steps)]
    for title, nodes in (("rescue", scope.rescue), ("finally", scope.last)):
        found += [(title, [_node(node) for node in nodes])] if nodes else []
    found += [(f"output {name} = {_shown(value)}", []) for name, value in scope.outputs.items()]
    return found


def _device(request: DeviceRequest) -> str:
    needed = [one for _, wanted, _ in request.needs for one in [" or ".join(sorted(i.name for i in wanted))]]
    wanted = list(dict.fromkeys([*request.requires, *needed]))
    safe = (
        "kept as it is"
        if request.safe_state == "keep"
        else ", ".join(f"{part} {method}" for part, method in request.safe_state.items())
    )
    uses = f", with {', '.join(wanted)}" if wanted else ""
    return f"device {request.role}: {request.selector or 'any'}{uses}; at the end {safe}"


def _node(node: Node) -> Branch:
    below: list[Branch] = []
    if isinstance(node, Block):
        below = _scope(node.scope)
        if isinstance(node, Job) and node.rollout:
            below = [*rollout_branches(node.rollout, _node), *below]
    elif isinstance(node, Background):
        below = [_node(node.body)]
    if node.retry and node.retry.between:
        below.append(("between attempts", [_node(between) for between in node.retry.between]))
    action = node.action if isinstance(node, StepNode | Block) else "background"
    action = f"barrier {node.meeting}" if isinstance(node, Barrier) else action
    action = f"call {node.template}" if isinstance(node, Call) else action
    return f"{node.path}: {action if node.name == node.id else node.name}" + "".join(
        f", {fact}" for fact in _facts(node)
    ), below


def _facts(node: Node) -> Iterator[str]:
    if isinstance(node, StepNode):
        yield from (f"on {node.device}",) if node.device and not node.name.endswith(f" on {node.device}") else ()
        yield from ("setup",) if node.kind == "setup" else ()
        yield from () if node.interruptible else ("not interruptible",)
    if isinstance(node, Job):
        yield from (f"after {', '.join(node.needs)}",) if node.needs else ()
        yield from _multiplied(node.matrix) if node.matrix else ()
        yield from (f"one at a time of {_shown(node.group)}",) if node.group is not None else ()
    yield from (f"if {node.condition.text}",) if node.condition else ()
    yield from (f"for each of {_shown(node.foreach)}",) if node.foreach is not None else ()
    yield from (f"within {_shown(node.timeout)}",) if node.timeout is not None else ()
    yield from (_retry(node.retry),) if node.retry else ()
    yield from ("goes on after a failure",) if node.on_failure == "continue" else ()
    yield from ("only a warning",) if node.severity == "warning" else ()
    yield f"line {node.where.line}"


def _multiplied(matrix: Matrix) -> Iterator[str]:
    yield f"{len(matrix.instances)} times" + (f", {matrix.max_parallel} at once" if matrix.max_parallel else "")
    yield from () if matrix.fail_fast else ("all of them whatever happens",)


def _retry(retry: Retry) -> str:
    return f"up to {retry.attempts} attempts on {' or '.join(retry.on)}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_shown(one)}' for name, one in value.items())}}}"
    return value.text if isinstance(value, Expression) else str(value)


def _draw(branches: Sequence[Branch], indent: str) -> Iterator[str]:
    for index, (label, below) in enumerate(branches):
        last = index == len(branches) - 1
        yield f"{indent}{'└─' if last else '├─'} {label}"
        yield from _draw(below, indent + ("   " if last else "│  "))
