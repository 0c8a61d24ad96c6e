"""CI systems as far as `flow ci` uses their words: each job in a checkout of its own, with what it asks for and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowrunner.source import load, plain


@dataclass
class Machine:
    """Where jobs run: `source` is what a checkout has, `folder` is where the checkouts are made."""

    source: Path
    folder: Path
    environment: Mapping[str, str]
    exits: dict[str, int] = field(default_factory=dict)
    """The exit status of each job, in the order in which they ran."""

    def checkout(self, name: str) -> Path:
        """A fresh checkout."""
        path = self.folder / re.sub(r"\W+", "_", name)
        shutil.copytree(self.source, path)
        return path

    def sh(self, name: str, cwd: Path, script: str, **variables: str) -> int:
        """Run a script of a job as a process of its own."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-ec", script], cwd=cwd, env={**self.environment, "PATH": path, **variables},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3, 4), done.stdout + done.stderr
        self.exits[name] = done.returncode
        return done.returncode


def github(path: Path, machine: Machine) -> Path:
    """A workflow of GitHub Actions; returns the folder of the artifacts."""
    artifacts = machine.folder / "artifacts"
    jobs = _read(path)["jobs"]
    for name in _ordered({name: job.get("needs", []) for name, job in jobs.items()}):
        job = jobs[name]
        assert ("if" in job) == bool(job.get("needs")), "a job that needs others runs whatever came of them"
        for values in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            where = machine.checkout(f"{name} {values.get('instance', '')}")
            for step in job["steps"]:
                _github_step(f"{name} {values.get('instance', '')}".strip(), step, where, artifacts, values, machine)
    return artifacts


def _github_step(name: str, step: dict[str, Any], where: Path, artifacts: Path, values: Any, machine: Machine) -> None:
    told = {key: _filled(str(value), values) for key, value in step.get("with", {}).items()}
    action = step.get("uses", "").partition("@")[0]
    if action == "actions/download-artifact":
        for one in sorted(artifacts.glob(told["pattern"])):
            shutil.copytree(one, where / told["path"], dirs_exist_ok=True)
    elif action == "actions/upload-artifact" and (where / told["path"]).exists():
        shutil.copytree(where / told["path"], artifacts / told["name"])  # as it does: links become what they lead to
    elif "run" in step:
        machine.sh(name, where, step["run"], **{k: _filled(v, values) for k, v in step.get("env", {}).items()})


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda hit: values[hit[1]], text)


def gitlab(path: Path, machine: Machine) -> Path:
    """A pipeline of GitLab; returns the folder of the artifacts of the last job."""
    whole = _read(path)
    jobs = {name: job for name, job in whole.items() if isinstance(job, dict)}
    stages = {name: whole["stages"].index(job["stage"]) for name, job in jobs.items()}
    earlier = {name: [other for other in jobs if stages[other] < stages[name]] for name in jobs}
    needs = {name: [n["job"] for n in job["needs"]] if "needs" in job else earlier[name] for name, job in jobs.items()}
    kept: dict[str, list[Path]] = {}
    last = machine.folder
    for name in _ordered(needs):
        job, kept[name] = jobs[name], []
        fetched = [one for need in needs[name] for one in kept[need]]
        for values in job.get("parallel", {}).get("matrix", [{}]):
            where = machine.checkout(f"{name} {values.get('FLOW_INSTANCE', '')}")
            for one in fetched:
                shutil.copytree(one, where, dirs_exist_ok=True, symlinks=True)
            machine.sh(f"{name} {values.get('FLOW_INSTANCE', '')}".strip(), where, "\n".join(job["script"]), **values)
            last = machine.folder / f"kept {sum(map(len, kept.values()))}"
            for pattern in job["artifacts"]["paths"]:
                paths = where.glob(re.sub(r"\$(\w+)", lambda hit, values=values: values[hit[1]], pattern))  # type: ignore[misc]
                for found in paths:
                    shutil.copytree(found, last / found.relative_to(where), symlinks=True)
            kept[name].append(last)
    return last


def tekton(path: Path, machine: Machine) -> Path:
    """A Pipeline of Tekton; returns the workspace, which all tasks share."""
    spec, where = _read(path)["spec"], machine.checkout("workspace")
    tasks = {task["name"]: task for task in spec["tasks"]}
    ordered = _ordered({name: task.get("runAfter", []) for name, task in tasks.items()})
    for task in [*(tasks[name] for name in ordered), *spec["finally"]]:
        (step,) = task["taskSpec"]["steps"]
        for value in task["matrix"]["params"][0]["value"] if "matrix" in task else [""]:
            variables = {one["name"]: one["value"].replace("$(params.instance)", value) for one in step["env"]}
            machine.sh(f"{task['name']} {value}".strip(), where, step["script"], **variables)
    return where


def argo(path: Path, machine: Machine) -> Path:
    """A Workflow of Argo; returns the volume, which all pods share."""
    spec, where = _read(path)["spec"], machine.checkout("volume")
    templates = {template["name"]: template for template in spec["templates"]}
    tasks = {task["name"]: task for task in templates[spec["entrypoint"]]["dag"]["tasks"]}
    needs = {name: re.findall(r"([\w-]+)\.Succeeded", task.get("depends", "")) for name, task in tasks.items()}
    for name in _ordered(needs):
        for pod, instance in _pods(templates, tasks[name]["template"]):
            named = [(one["name"], one["value"]) for one in pod["container"]["env"]]
            variables = {key: value.replace("{{inputs.parameters.instance}}", instance) for key, value in named}
            machine.sh(f"{name} {instance}".strip(), where, "\n".join(pod["container"]["args"]), **variables)
    return where


def _pods(templates: Mapping[str, Any], name: str) -> Iterator[tuple[Any, str]]:
    template = templates[name]
    if "steps" not in template:
        yield template, ""
        return
    ((each,),) = template["steps"]
    for item in each["withItems"]:
        yield templates[each["template"]], item


SYSTEMS = {"github": github, "gitlab": gitlab, "tekton": tekton, "argo": argo}


def _read(path: Path) -> Any:
    root = load(path).root
    assert root is not None
    return plain(root)


def _ordered(needs: Mapping[str, list[str]]) -> list[str]:
    """The names so that each comes after those that it needs."""
    found: list[str] = []
    while len(found) < len(needs):
        ready = [name for name, wanted in needs.items() if name not in found and set(wanted) <= set(found)]
        assert ready, f"a circle, or a need that is no job: {needs}"
        found += ready
    return found
