"""A Pipeline of Tekton.

https://tekton.dev/docs/pipelines/pipelines/
"""

from __future__ import annotations

import math
from typing import Any

from flowrunner.ci.names import labels
from flowrunner.ci.outline import INSTANCE, Outline, Task

IMAGE = "python:3.12"
JOIN = "report"
SECRETS = "flow-secrets"
"""The Secret with the pipeline's secrets by name; each may be missing."""


def tekton(outline: Outline) -> dict[str, Any]:
    """The Pipeline: a task for each task, and at the end one that joins them.

    The workspace `source` has the checkout, and carries the runs.
    """
    names = labels((task.name for task in outline.tasks), taken=[JOIN])
    join = {"name": JOIN, "taskSpec": _spec(outline, outline.join, matrix=False), "workspaces": [_WORKSPACE]}
    spec = {
        "workspaces": [{"name": "source"}],
        "tasks": [_task(outline, task, names) for task in outline.tasks],
        "finally": [join],
    }
    name = labels([outline.name])[outline.name]
    return {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec}


def missing(task: Task) -> list[str]:
    """What of a task this system cannot keep."""
    found = []
    if task.max_parallel:
        found.append(f"max_parallel of '{task.name}': Tekton has none; what there is of devices limits it")
    if task.labels and task.fail_fast:
        found.append(f"fail_fast of '{task.name}': Tekton lets the other instances go on")
    if task.group:
        found.append(f"concurrency '{task.group}' of '{task.name}': Tekton has none; it holds on one machine")
    return found


_WORKSPACE = {"name": "source", "workspace": "source"}


def _task(outline: Outline, task: Task, names: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": names[task.name], "onError": "continue"}
    if task.needs:
        found["runAfter"] = [names[need] for need in task.needs]
    if task.labels:
        instances = [str(number) for number in range(len(task.labels))]
        found["matrix"] = {"params": [{"name": "instance", "value": instances}]}
    if task.limit:
        found["timeout"] = f"{math.ceil(task.limit / 60)}m0s"
    spec = _spec(outline, task.command, matrix=bool(task.labels))
    return {**found, "taskSpec": spec, "workspaces": [_WORKSPACE]}


def _spec(outline: Outline, command: str, *, matrix: bool) -> dict[str, Any]:
    step: dict[str, Any] = {
        "name": "flow", "image": outline.wish.image or IMAGE, "workingDir": "$(workspaces.source.path)",
        "env": environment(outline, "$(params.instance)" if matrix else None),
        "script": "\n".join(["#!/bin/sh", "set -e", *outline.wish.setup, command, ""]),
    }  # fmt: skip
    params = {"params": [{"name": "instance", "type": "string"}]} if matrix else {}
    return {**params, "workspaces": [{"name": "source"}], "steps": [step]}


def environment(outline: Outline, instance: str | None) -> list[dict[str, Any]]:
    """The variables of a container."""
    found: list[dict[str, Any]] = [{"name": "FLOW_CI", "value": "other"}]
    if instance is not None:
        found.append({"name": INSTANCE, "value": instance})
    for name in outline.wish.secrets:
        key = {"name": SECRETS, "key": name, "optional": True}
        found.append({"name": f"FLOW_SECRET_{name.upper()}", "valueFrom": {"secretKeyRef": key}})
    return found
