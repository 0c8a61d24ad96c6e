"""A Workflow of Argo.

https://argo-workflows.readthedocs.io/en/stable/fields/
"""

from __future__ import annotations

import math
from typing import Any

from flowrunner.ci.names import labels
from flowrunner.ci.outline import Outline, Task
from flowrunner.ci.tekton import IMAGE, environment

JOIN, WHOLE = "report", "flow"
WORK = "/work"
CLAIM = "flow-source"
"""The PersistentVolumeClaim that has the checkout, and carries the runs."""

RETRY = {
    "limit": "2",
    "retryPolicy": "Always",
    "expression": "lastRetry.status == 'Error' || lastRetry.exitCode == '3'",
}
"""What is worth another try: `errored`, which is the lab's fault, and a pod that went down."""

ENDS = ("Succeeded", "Failed", "Errored", "Skipped")


def argo(outline: Outline) -> dict[str, Any]:
    """The Workflow: a pod for each task and instance, and one that joins what they did."""
    names = labels((task.name for task in outline.tasks), taken=[JOIN, WHOLE])
    tasks = [_place(task, names) for task in outline.tasks]
    tasks.append({"name": JOIN, "template": JOIN, "depends": _behind(names.values())})
    templates = [template for task in outline.tasks for template in _templates(outline, task, names[task.name])]
    spec = {
        "entrypoint": WHOLE,
        "volumes": [{"name": "source", "persistentVolumeClaim": {"claimName": CLAIM}}],
        "templates": [
            {"name": WHOLE, "dag": {"failFast": False, "tasks": tasks}},
            *templates,
            {"name": JOIN, "container": _container(outline, outline.join, matrix=False)},
        ],
    }
    name = labels([outline.name])[outline.name]
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    return {**head, "metadata": {"generateName": f"{name}-"}, "spec": spec}


def missing(task: Task) -> list[str]:
    """What of a task this system cannot keep."""
    return []


def _place(task: Task, names: dict[str, str]) -> dict[str, Any]:
    needs = {"depends": _behind(names[need] for need in task.needs)} if task.needs else {}
    return {"name": names[task.name], "template": names[task.name], **needs}


def _behind(names: Any) -> str:
    """The condition that all of `names` came to an end, whatever it was."""
    return " && ".join("(" + " || ".join(f"{name}.{end}" for end in ENDS) + ")" for name in names)


def _templates(outline: Outline, task: Task, name: str) -> list[dict[str, Any]]:
    pod: dict[str, Any] = {"name": name, "container": _container(outline, task.command, matrix=bool(task.labels))}
    if task.again:
        pod["retryStrategy"] = RETRY
    if task.limit:
        pod["activeDeadlineSeconds"] = math.ceil(task.limit)
    if task.group:
        pod["synchronization"] = {"mutexes": [{"name": labels([task.group])[task.group]}]}
    if not task.labels:
        return [pod]
    pod |= {"name": f"{name}-instance", "inputs": {"parameters": [{"name": "instance"}]}}
    each = {
        "name": "instance", "template": pod["name"], "withItems": [str(n) for n in range(len(task.labels))],
        "arguments": {"parameters": [{"name": "instance", "value": "{{item}}"}]},
    }  # fmt: skip
    most = {"parallelism": task.max_parallel} if task.max_parallel else {}
    return [{"name": name, "failFast": task.fail_fast, **most, "steps": [[each]]}, pod]


def _container(outline: Outline, command: str, *, matrix: bool) -> dict[str, Any]:
    return {
        "image": outline.wish.image or IMAGE, "command": ["sh", "-ec"],
        "args": ["\n".join([*outline.wish.setup, command])], "workingDir": WORK,
        "env": environment(outline, "{{inputs.parameters.instance}}" if matrix else None),
        "volumeMounts": [{"name": "source", "mountPath": WORK}],
    }  # fmt: skip
