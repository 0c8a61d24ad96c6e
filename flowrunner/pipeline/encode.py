"""The plan as JSON: canonical, the same on every machine, without any secret."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from flowrunner.errors import Span
from flowrunner.expressions import Expression
from flowrunner.model import Duration, Size
from flowrunner.pipeline.plan import (
    Background,
    Barrier,
    Block,
    Call,
    DeviceRequest,
    Job,
    Node,
    Plan,
    Retry,
    Rollout,
    Scope,
    StepNode,
    Watch,
)  # fmt: skip


def plan_json(plan: Plan) -> dict[str, Any]:
    """All of a plan as plain data; durations and sizes as text with a unit, expressions as they were written."""
    return {**_body(plan), "digest": plan.digest}


def digest_of(plan: Plan) -> str:
    """SHA-256 of the plan's canonical JSON."""
    text = json.dumps(_body(plan), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "flow": 1,
        "name": plan.name,
        "description": plan.description,
        "file": plan.file.name,
        "inputs": {name: _input(plan, name) for name in plan.input_types},
        "secrets": list(plan.secrets),
        "scope": _scope(plan.scope, {}),
        **({"includes": dict(plan.includes)} if plan.includes else {}),
    }


def _input(plan: Plan, name: str) -> dict[str, Any]:
    value = plan.inputs.get(name)
    facts = plan.input_files.get(name)
    if facts is not None and value is not None:
        path, folder = Path(value), plan.file.parent.absolute()
        value = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        return {"type": plan.input_types[name], "value": value, "sha256": facts.sha256, "size": facts.size}
    return {"type": plan.input_types[name], "value": _value(value)}


Roles = Mapping[str, str]
"""What a role of a template is called outside of it."""


def _scope(scope: Scope, roles: Roles) -> dict[str, Any]:
    return _without_empty(
        devices={request.role: _request(request) for request in scope.devices},
        watch=[_watch(watch, roles) for watch in scope.watch],
        jobs=[_node(job, roles) for job in scope.jobs],
        branches=[_node(branch, roles) for branch in scope.branches],
        fail_fast=scope.fail_fast if scope.branches else None,
        steps=[_node(node, roles) for node in scope.steps],
        rescue=[_node(node, roles) for node in scope.rescue],
        **{"finally": [_node(node, roles) for node in scope.last]},
        timeout=_value(scope.timeout),
        finally_timeout=_value(scope.finally_timeout),
        queue_timeout=_value(scope.queue_timeout),
        outputs=_value(scope.outputs),
    )


def _request(request: DeviceRequest) -> dict[str, Any]:
    return {
        "selector": request.selector,
        "requires": list(request.requires),
        "needs": [
            {"part": part, "interfaces": [one.name for one in wanted], "where": _place(where)}
            for part, wanted, where in request.needs
        ],
        "duration": str(request.duration),
        "safe_state": request.safe_state if isinstance(request.safe_state, str) else dict(request.safe_state),
        "where": _place(request.where),
    }


def _watch(watch: Watch, roles: Roles) -> dict[str, Any]:
    return {
        "pattern": watch.pattern, "outcome": watch.outcome, "blame": watch.blame, "grace": _value(watch.grace),
        "device": _device(watch.device, roles), "where": _place(watch.where),
    }  # fmt: skip


def _node(node: Node, roles: Roles) -> dict[str, Any]:
    common = _without_empty(
        path=node.path, id=node.id, name=node.name, where=_place(node.where), condition=_value(node.condition),
        timeout=_value(node.timeout), idle_timeout=_value(node.idle_timeout), foreach=_value(node.foreach),
        retry=_retry(node.retry, roles) if node.retry else None, tags=list(node.tags),
    )  # fmt: skip
    common |= {"on_failure": node.on_failure, "severity": node.severity}
    if isinstance(node, StepNode):
        return {**common, "action": node.action, **_action(node, roles)}
    if isinstance(node, Background):
        ready = node.ready and {"pattern": node.ready.pattern, "within": _value(node.ready.within)}
        return {**common, "action": "background", "body": _node(node.body, roles), "ready": ready}
    if isinstance(node, Barrier):
        return {**common, "action": "barrier", "meeting": node.meeting, "participants": list(node.participants)}
    assert isinstance(node, Block)
    called: dict[str, Any] = {}
    if isinstance(node, Call):
        roles = {role: roles.get(mine, mine) for role, mine in node.roles.items()}
        called = {**_call(node), "roles": roles} if roles else _call(node)
    if isinstance(node, Job):
        called = _job(node, roles)
    return {**common, "action": node.action, **called, "scope": _scope(node.scope, roles)}


def _job(job: Job, roles: Roles) -> dict[str, Any]:
    matrix = job.matrix and {
        "instances": [_value(values) for values in job.matrix.instances],
        "max_parallel": job.matrix.max_parallel, "fail_fast": job.matrix.fail_fast,
    }  # fmt: skip
    rollout = _rollout(job.rollout, roles) if job.rollout else None
    return _without_empty(needs=list(job.needs), matrix=matrix, rollout=rollout, group=_value(job.group))


def _rollout(one: Rollout, roles: Roles) -> dict[str, Any]:
    waves = [
        _without_empty(name=wave.name, size=wave.size, percent=wave.percent, soak=_value(wave.soak),
                       gate=wave.gate and _node(wave.gate, roles), approve=wave.approve or None)
        for wave in one.waves
    ]  # fmt: skip
    return _without_empty(
        role=one.role, fleet=one.fleet, waves=waves, max_parallel=one.max_parallel,
        unavailable=one.unavailable and _without_empty(**asdict(one.unavailable)), halt_when=_value(one.halt_when),
        on_halt=one.on_halt, rollback=_node(one.rollback, roles) if one.rollback else None,
    )  # fmt: skip


def _call(node: Call) -> dict[str, Any]:
    return _without_empty(
        template=node.template, defined=_place(node.defined), params=_value(node.values),
        files={name: {"sha256": one.sha256, "size": one.size} for name, one in sorted(node.files.items())},
    )  # fmt: skip


def _action(node: StepNode, roles: Roles) -> dict[str, Any]:
    return {
        "kind": node.kind, "interruptible": node.interruptible, "device": _device(node.device, roles),
        "params": _value(node.values), "outputs": dict(node.outputs),
    }  # fmt: skip


def _device(path: str | None, roles: Roles) -> str | None:
    role, dot, part = (path or "").partition(".")
    return f"{roles.get(role, role)}{dot}{part}" or None


def _retry(retry: Retry, roles: Roles) -> dict[str, Any]:
    backoff = retry.backoff
    return {
        "attempts": retry.attempts,
        "on": list(retry.on),
        "backoff": {
            "initial": str(backoff.initial), "factor": backoff.factor, "max": _value(backoff.max),
            "jitter": backoff.jitter,
        },
        "attempt_timeout": _value(retry.attempt_timeout),
        "between": [_node(node, roles) for node in retry.between],
    }  # fmt: skip


def _value(value: Any) -> Any:
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, Duration | Size):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return str(value) if isinstance(value, str) else value


@cache
def _file_name(path: str) -> str:
    return Path(path).name


def _place(where: Span) -> dict[str, Any]:
    return {"file": _file_name(where.file), "line": where.line, "column": where.column}


def _without_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != {} and value != []}
