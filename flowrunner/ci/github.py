"""A workflow of GitHub Actions.

https://docs.github.com/actions/reference/workflow-syntax-for-github-actions
"""

from __future__ import annotations

import math
from typing import Any

from flowrunner.ci.outline import INSTANCE, REPORT, RUNS, Outline, Task

JOIN = "flow-report"
CHECKOUT, DOWN, UP = "actions/checkout@v4", "actions/download-artifact@v4", "actions/upload-artifact@v4"


def github(outline: Outline) -> dict[str, Any]:
    """The workflow: a job for each task, and one that joins them."""
    jobs = {task.name: _job(outline, task) for task in outline.tasks}
    jobs[JOIN] = {
        "needs": list(jobs), "if": "${{ always() }}", **_machine(outline),
        "steps": [
            *_begin(outline), _download(),
            {"name": "Join the runs", "run": outline.join},
            _upload("flow-report", REPORT),
        ],
    }  # fmt: skip
    return {"name": outline.name, "on": {"workflow_call": {}, "workflow_dispatch": {}, "push": {}}, "jobs": jobs}


def missing(task: Task) -> list[str]:
    """What of a task this system cannot keep."""
    if task.group is None:
        return []
    return [f"concurrency '{task.group}' of '{task.name}': GitHub cancels whoever waits; it holds on one machine"]


def _job(outline: Outline, task: Task) -> dict[str, Any]:
    job: dict[str, Any] = {}
    if task.needs:
        job |= {"needs": list(task.needs), "if": "${{ !cancelled() }}"}
    job |= _machine(outline)
    artifact, folder = f"{RUNS}-{task.name}", f"{RUNS}/{task.name}"
    if task.labels:
        entries = [{"instance": str(number), "label": label} for number, label in enumerate(task.labels)]
        most = {"max-parallel": task.max_parallel} if task.max_parallel else {}
        job["name"] = f"{task.name} (${{{{ matrix.label }}}})"
        job["strategy"] = {"fail-fast": task.fail_fast, **most, "matrix": {"include": entries}}
        artifact, folder = f"{artifact}.${{{{ matrix.instance }}}}", f"{folder}.${{{{ matrix.instance }}}}"
    if task.limit:
        job["timeout-minutes"] = math.ceil(task.limit / 60)
    step: dict[str, Any] = {"name": "Run", "run": task.command}
    surroundings = {INSTANCE: "${{ matrix.instance }}"} if task.labels else {}
    surroundings |= {f"FLOW_SECRET_{name}": f"${{{{ secrets.FLOW_SECRET_{name} }}}}" for name in _secrets(outline)}
    if surroundings:
        step["env"] = surroundings
    fetch = [_download()] if task.needs else []
    job["steps"] = [*_begin(outline), *fetch, step, _upload(artifact, folder)]
    return job


def _secrets(outline: Outline) -> list[str]:
    return [name.upper() for name in outline.wish.secrets]


def _machine(outline: Outline) -> dict[str, Any]:
    words = [word.strip() for word in (outline.wish.runner or "self-hosted").split(",")]
    container = {"container": outline.wish.image} if outline.wish.image else {}
    return {"runs-on": words[0] if len(words) == 1 else words, **container}


def _begin(outline: Outline) -> list[dict[str, Any]]:
    setup = "\n".join(outline.wish.setup)
    return [{"uses": CHECKOUT}, *([{"name": "Set up", "run": setup}] if setup else [])]


def _download() -> dict[str, Any]:
    return {"uses": DOWN, "with": {"pattern": f"{RUNS}-*", "path": RUNS, "merge-multiple": True}}


def _upload(name: str, path: str) -> dict[str, Any]:
    kept = {"name": name, "path": path, "if-no-files-found": "ignore", "overwrite": True}
    return {"if": "${{ always() }}", "uses": UP, "with": kept}
