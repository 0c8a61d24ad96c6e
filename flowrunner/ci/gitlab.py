"""A pipeline of GitLab CI, to be included or run as a child.

https://docs.gitlab.com/ci/yaml/
"""

from __future__ import annotations

import math
from typing import Any

from flowrunner.ci.outline import INSTANCE, REPORT, RUNS, Outline, Task

JOIN = "flow report"
RETRY = {"max": 2, "when": ["runner_system_failure", "stuck_or_timeout_failure"], "exit_codes": [3]}
"""What is worth another try: `errored`, which is the lab's fault, and what is the runner's. A failure is none."""


def gitlab(outline: Outline) -> dict[str, Any]:
    """The jobs, one for each task, and one that joins them and carries the reports."""
    jobs = {_name(task.name): _job(outline, task) for task in outline.tasks}
    jobs[JOIN] = {
        "stage": "flow-report", **_machine(outline), "when": "always", "script": [outline.join],
        "artifacts": {
            "when": "always", "paths": [REPORT],
            "reports": {"junit": f"{REPORT}/*/junit.xml", "codequality": f"{REPORT}/*/code-quality.json"},
        },
    }  # fmt: skip
    return {"stages": ["flow", "flow-report"], **jobs}


def missing(task: Task) -> list[str]:
    """What of a task this system cannot keep."""
    found = []
    if task.max_parallel:
        found.append(f"max_parallel of '{task.name}': GitLab has none; what there is of devices limits it")
    if task.labels and task.fail_fast:
        found.append(f"fail_fast of '{task.name}': GitLab lets the other instances go on")
    return found


def _name(task: str) -> str:
    """No word that GitLab keeps for itself."""
    return f"flow:{task}"


def _job(outline: Outline, task: Task) -> dict[str, Any]:
    job: dict[str, Any] = {"stage": "flow", **_machine(outline)}
    job["needs"] = [{"job": _name(need), "artifacts": True} for need in task.needs]
    if task.needs:
        job["when"] = "always"
    folder = f"{RUNS}/{task.name}"
    if task.labels:
        entries = [{INSTANCE: str(number), "FLOW_LABEL": label} for number, label in enumerate(task.labels)]
        job["parallel"] = {"matrix": entries}
        folder += f".${INSTANCE}"
    if task.limit:
        job["timeout"] = f"{math.ceil(task.limit / 60)} minutes"
    if task.group:
        job["resource_group"] = task.group
    retry = RETRY if task.again else {key: value for key, value in RETRY.items() if key != "exit_codes"}
    job |= {"script": [task.command], "retry": retry}
    job["artifacts"] = {"when": "always", "paths": [folder]}
    return job


def _machine(outline: Outline) -> dict[str, Any]:
    wish, found = outline.wish, dict[str, Any]()
    if wish.image:
        found["image"] = wish.image
    if wish.runner:
        found["tags"] = [word.strip() for word in wish.runner.split(",")]
    if wish.setup:
        found["before_script"] = list(wish.setup)
    return found
