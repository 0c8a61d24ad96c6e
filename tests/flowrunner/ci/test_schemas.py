"""What `flow ci` prints is what the systems take, as far as their schemas can tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from hera.workflows.models import Workflow
from jsonschema import Draft7Validator

from flowrunner.ci.argo import argo
from flowrunner.ci.github import github
from flowrunner.ci.gitlab import gitlab
from flowrunner.ci.names import labels
from flowrunner.ci.outline import Wish, outline
from flowrunner.ci.tekton import tekton
from flowrunner.pipeline.compiler import compile
from flowrunner.source import load, plain
from flowrunner.source.writing import dump
from tests.flowrunner.ci.conftest import FLEET

ROOT = Path(__file__).parents[3]
RICH = FLEET.replace("jobs:\n", "secrets: {token: {required: false}}\njobs:\n").replace(
    "  broken: {", "  broken: {concurrency: bench, "
)


def printed(folder: Path, make: Any, text: str = RICH) -> Path:
    path = folder / "p.yaml"
    path.write_text(text)
    wish = Wish(
        pipeline="p.yaml", inputs=["boards=[any, other]"], lab="lab.yaml", image="acme/flow:1", runner="bench, arm64",
        setup=["pip install flowrunner"], secrets=["token"],
    )  # fmt: skip
    out = folder / "out.yaml"
    out.write_text(dump(make(outline(compile(path, complete=False).plan, wish))))
    return out


def check(schema: str, path: Path) -> None:
    """Check a file against a schema that check-jsonschema carries."""
    found = Draft7Validator(get_builtin_schema(schema)).iter_errors(read(path))
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def read(path: Path) -> Any:
    root = load(path).root
    assert root is not None
    return plain(root)


@pytest.mark.parametrize("text", [RICH, "flow: 1\nsteps: [{log: x}]\n"], ids=["jobs", "steps"])
def test_github_takes_it(tmp_path: Path, text: str) -> None:
    path = printed(tmp_path, github, text)
    check("vendor.github-workflows", path)
    assert read(path)["jobs"]["flow-report"]["if"] == "${{ always() }}"


@pytest.mark.parametrize("text", [RICH, "flow: 1\nsteps: [{log: x}]\n"], ids=["jobs", "steps"])
def test_gitlab_takes_it(tmp_path: Path, text: str) -> None:
    path = printed(tmp_path, gitlab, text)
    check("vendor.gitlab-ci", path)
    jobs = {name: job for name, job in read(path).items() if name.startswith("flow:")}
    again = {name: job["retry"].get("exit_codes") for name, job in jobs.items()}
    assert again.pop("flow:flow-end", None) is None, "it ends as the jobs did: its finally is done once"
    assert set(map(str, again.values())) == {"[3]"}, "a failure of the product is never retried"


def test_argo_takes_it_and_knows_every_key(tmp_path: Path) -> None:
    data = read(printed(tmp_path, argo))
    known = json.loads(Workflow.model_validate(data).model_dump_json(by_alias=True, exclude_none=True))
    assert known == data, "what is no key of Argo's is lost on the way"
    broken = next(one for one in data["spec"]["templates"] if one["name"] == "broken")
    assert broken["synchronization"] == {"mutexes": [{"name": "bench"}]}


def test_tekton_has_what_its_documentation_asks_for(tmp_path: Path) -> None:
    """No package that can be had carries the schema of its resources; this is what the pages of v1 say."""
    spec = read(printed(tmp_path, tekton))["spec"]
    tasks = {task["name"]: task for task in spec["tasks"]}
    for task in [*tasks.values(), *spec["finally"]]:
        assert set(task) <= {"name", "onError", "runAfter", "matrix", "timeout", "taskSpec", "workspaces"}
        assert set(task["taskSpec"]) <= {"params", "workspaces", "steps"}
        assert {one["workspace"] for one in task["workspaces"]} <= {one["name"] for one in spec["workspaces"]}
        asked = {one["name"] for one in task["taskSpec"].get("params", ())}
        assert asked == {one["name"] for one in task.get("matrix", {}).get("params", ())}
        assert set(task.get("runAfter", ())) <= set(tasks)
    assert tasks["smoke"]["onError"] == "continue", "what comes behind a failure is told of it, and decides"


def test_names_are_such_as_kubernetes_takes_and_no_two_are_the_same() -> None:
    found = labels(["a_b", "a__b", "_a", "report", "x" * 90, "Ünicode!"], taken=["report"])
    assert list(found.values()) == ["a-b", "a-b-2", "a", "report-2", "x" * 40, "nicode"]


def test_the_values_of_an_instance_are_no_language_of_any_system(tmp_path: Path) -> None:
    text = "flow: 1\njobs: {a: {strategy: {matrix: {v: ['${{ secrets.X }}', \"$(rm)\", 'a b'], w: [1]}}, steps: [{log: x}]}}\n"
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("${{ secrets.X }}", "$X{{item}}"))
    (task,) = outline(compile(path).plan, Wish(pipeline="p.yaml")).tasks
    assert list(task.labels) == ["0: _X__item__, 1", "1: __rm_, 1", "2: a b, 1"]


def test_a_command_is_quoted_for_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("flow: 1\ninputs: {note: {default: x}}\njobs: {a: {steps: [{log: x}]}}\n")
    wish = Wish(pipeline="my $(pipe).yaml", inputs=["note=it's; rm -rf /"])
    (task,) = outline(compile(path).plan, wish).tasks
    assert task.command == (
        "flow run 'my $(pipe).yaml' --job a --runs flow-runs/a --input 'note=it'\"'\"'s; rm -rf /'"
    )  # fmt: skip


def test_a_task_gets_more_time_than_flow_itself_may_take(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "flow: 1\njobs:\n  a: {timeout: 10m, finally_timeout: 1m, retry: {attempts: 2, on: [infra], backoff: {initial: 30s}}, "
        "steps: [{log: x}]}\n  b: {steps: [{log: x}]}\n"
    )
    limited, free = outline(compile(path).plan, Wish(pipeline="p.yaml")).tasks
    assert limited.limit == 2 * (600 + 120) + 30 + 300
    assert free.limit is None


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines" / "ci").glob("*.yml")), ids=lambda path: path.name)
def test_the_examples_are_what_the_systems_take(path: Path) -> None:
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}.get(path.name.partition("-")[0])
    if schema:
        check(schema, path)
    data = read(path)
    assert data


@pytest.mark.parametrize(("name", "make"), [("tekton-pipeline", tekton), ("argo-workflow", argo)])
def test_the_printed_examples_are_what_is_printed_now(name: str, make: Any) -> None:
    path = Path("pipelines/ci/smoke.yaml")
    wish = Wish(pipeline=str(path), setup=["pip install flowrunner"])
    now = dump(make(outline(compile(ROOT / path).plan, wish)))
    assert (ROOT / "pipelines" / "ci" / f"{name}.yml").read_text().partition("\n")[2] == now
