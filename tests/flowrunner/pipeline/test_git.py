"""Includes from git: a real repository, the real git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner.pipeline.plan import StepNode
from tests.support.compiler import Bench

LIBRARY = "flow: 1\ntemplates: {say: {steps: [{log: %s}]}}\n"


class Repository:
    """A repository, its URL, and an environment in which a pipeline includes from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "flows"
        self.folder.mkdir()
        self.url = f"file://{self.folder}"
        self.environment = {"PATH": os.environ["PATH"], "FLOW_CACHE_DIR": str(folder / "cache")}
        self.git("init", "-q", "-b", "main")
        self.write("lib/a.yaml", LIBRARY % "one")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **who}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def pipeline(self, ref: str, path: str = "lib/a.yaml", more: str = "") -> str:
        return f"flow: 1\ninclude: {{a: {{git: '{self.url}', ref: {ref}, path: {path}{more}}}}}\nsteps: [{{call: a.say}}]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def said(bench: Bench, repository: Repository, text: str) -> str:
    nodes = bench.nodes(text, environment=repository.environment).values()
    return next(str(node.values["message"]) for node in nodes if isinstance(node, StepNode))


def test_a_tag_a_branch_and_a_commit_are_refs(bench: Bench, repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-a", "v1.0", "-m", "the first")
    repository.write("lib/a.yaml", LIBRARY % "two")
    repository.commit()
    found = {ref: said(bench, repository, repository.pipeline(ref)) for ref in ("v1.0", "main", first)}
    assert found == {"v1.0": "one", "main": "two", first: "one"}


def test_a_branch_that_moved_is_followed_and_changes_the_plan(bench: Bench, repository: Repository) -> None:
    text = repository.pipeline("main")
    before = bench.compile(text, environment=repository.environment).plan
    repository.write("README", "nothing that is included")
    commit = repository.commit()
    after = bench.compile(text, environment=repository.environment).plan
    assert list(after.includes) == [f"{repository.url}@{commit}:lib/a.yaml"]
    assert after.digest != before.digest
    repository.write("lib/a.yaml", LIBRARY % "moved")
    repository.git("add", "-A")
    repository.git("commit", "-q", "--amend", "-m", "rewritten")
    assert said(bench, repository, text) == "moved"


def test_a_commit_that_is_here_needs_no_repository(bench: Bench, repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    assert said(bench, repository, repository.pipeline(commit)) == "one"
    shutil.rmtree(repository.folder)
    assert said(bench, repository, repository.pipeline(commit)) == "one"
    (error,) = bench.errors(repository.pipeline("main"), environment=repository.environment)
    assert error.startswith(f"2:20 unreachable: {repository.url} could not be fetched: ")


def test_only_what_is_needed_is_fetched(bench: Bench, repository: Repository) -> None:
    for number in range(5):
        repository.write("lib/a.yaml", LIBRARY % f"n{number}")
        repository.commit()
    said(bench, repository, repository.pipeline("main"))
    (kept,) = Path(repository.environment["FLOW_CACHE_DIR"]).glob("git/*/repository")
    count = subprocess.run(
        ["git", "rev-list", "--count", "refs/flow/wanted"], cwd=kept, check=True, capture_output=True, text=True
    )
    assert count.stdout.strip() == "1"


def test_files_of_a_repository_include_each_other_and_nothing_else(
    bench: Bench, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "outside.yaml").write_text(LIBRARY % "outside")
    repository.write("b.yaml", LIBRARY % "beside")
    repository.write("lib/good.yaml", "flow: 1\ninclude: {b: ../b.yaml}\ntemplates: {say: {steps: [{call: b.say}]}}\n")
    repository.write(
        "lib/bad.yaml",
        f"flow: 1\ninclude: {{b: ../../../outside.yaml, c: {tmp_path}/outside.yaml, d: link.yaml}}\n"
        "templates: {say: {steps: [{log: a}]}}\n",
    )
    (repository.folder / "lib/link.yaml").symlink_to(tmp_path / "outside.yaml")
    repository.commit()
    assert said(bench, repository, repository.pipeline("main", "lib/good.yaml")) == "beside"
    errors = bench.errors(repository.pipeline("main", "lib/bad.yaml"), environment=repository.environment)
    assert [error.split(": ")[0].split()[1] for error in errors] == ["outside"] * 3
    (error,) = bench.errors(repository.pipeline("main", "../../outside.yaml"), environment=repository.environment)
    assert "outside" in error


def test_what_is_not_there_is_told(bench: Bench, repository: Repository) -> None:
    for ref, path, why in (
        ("v9", "lib/a.yaml", "couldn't find remote ref v9"),
        ("main", "lib/none.yaml", "'none.yaml' could not be read: no such file or directory"),
        ("--upload-pack=x", "lib/a.yaml", "'--upload-pack=x' is no ref"),
    ):
        (error,) = bench.errors(repository.pipeline(f"'{ref}'", path), environment=repository.environment)
        assert why in error


def test_an_error_names_the_repository_the_ref_and_the_file(bench: Bench, repository: Repository) -> None:
    repository.write("lib/a.yaml", "flow: 1\ntemplates: {say: {steps: [{log: 5}]}}\n")
    repository.commit()
    bench.path.write_text(repository.pipeline("main"))
    command = [sys.executable, "-m", "flowrunner", "check", str(bench.path)]
    done = subprocess.run(
        command, env={**os.environ, **repository.environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        f"{repository.url}@main:lib/a.yaml:2:33: error: log needs text, got the number 5",
        "    2 | templates: {say: {steps: [{log: 5}]}}",
    ]
    assert f"included at {bench.path}:2:20" in done.stderr


def test_a_password_in_the_url_is_not_shown(bench: Bench, repository: Repository) -> None:
    text = repository.pipeline("main").replace(repository.url, "http://me:hunter22@127.0.0.1:9/flows.git")
    (error,) = bench.errors(text, environment=repository.environment)
    assert "http://127.0.0.1:9/flows.git could not be fetched" in error
    assert "hunter22" not in error


@pytest.mark.parametrize("url", ["ext::sh -c 'touch owned'", "../flows", "--upload-pack=x"])
def test_what_is_no_url_is_refused(bench: Bench, repository: Repository, url: str) -> None:
    quoted = url.replace("'", "''")
    (error,) = bench.errors(
        repository.pipeline("main").replace(repository.url, quoted), environment=repository.environment
    )
    assert "git needs a URL" in error


def test_a_git_around_us_changes_nothing(bench: Bench, repository: Repository, tmp_path: Path) -> None:
    around = {"GIT_DIR": str(tmp_path / "elsewhere"), "GIT_INDEX_FILE": str(tmp_path / "index")}
    found = bench.compile(repository.pipeline("main"), environment={**repository.environment, **around})
    assert found.plan.includes
    assert not (tmp_path / "index").exists()


def test_several_processes_fetch_the_same_repository_at_once(bench: Bench, repository: Repository) -> None:
    bench.path.write_text(repository.pipeline("main"))
    command = [sys.executable, "-m", "flowrunner", "check", str(bench.path)]
    environment = {**os.environ, **repository.environment}
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0, 0], ended
