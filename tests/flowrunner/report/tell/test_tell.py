"""What a CI system is told, and in whose words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from flowrunner.report.summary import summarize_folder
from flowrunner.report.tell.markdown import markdown, text
from flowrunner.report.tell.notes import code_quality, github_lines
from flowrunner.report.tell.surroundings import System, detect, surroundings
from flowrunner.report.tell.tell import QUALITY, tell
from tests.support.fake_runs import KINDS

Make = Callable[[str], Path]

SYSTEMS: list[tuple[Mapping[str, str], System]] = [
    ({"GITHUB_ACTIONS": "true", "CI": "true"}, System.GITHUB), ({"GITLAB_CI": "true"}, System.GITLAB),
    ({"JENKINS_URL": "http://ci"}, System.OTHER), ({"CI": "1"}, System.OTHER), ({}, System.NONE),
]  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Make:
    from tests.support.fake_run import FakeRun

    def write(kind: str) -> Path:
        run = FakeRun(tmp_path / kind)
        KINDS[kind](run)
        return run.folder

    return write


@pytest.mark.parametrize(("environment", "system"), SYSTEMS)
def test_knows_where_it_is_unless_it_is_told_otherwise(environment: Mapping[str, str], system: System) -> None:
    assert detect(environment) is system
    assert detect(surroundings(System.AUTO, environment)) is system
    for wanted in (System.GITHUB, System.GITLAB, System.OTHER, System.NONE):
        assert detect(surroundings(wanted, environment)) is wanted


def test_github_gets_an_annotation_at_the_line_of_each_step_that_failed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = summarize_folder(make("failed"))
    monkeypatch.chdir("/")
    assert list(github_lines(summary, {"GITHUB_ACTIONS": "true"})) == [
        "::error file=boot-test.yaml,line=37,col=9,title=boot-test failed::"
        "boot.prompt failed: prompt 'login: ' not seen within 25s",
        "::warning file=boot-test.yaml,line=58,col=5,title=boot-test errored::"
        "rescue.shell1 errored (device): no shell prompt within 5s",
    ]


def test_the_path_is_that_of_the_checkout(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "sub,dir"
    folder.mkdir(parents=True)
    summary = summarize_folder(make("failed"))
    monkeypatch.chdir(folder)
    line, _ = github_lines(summary, {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder.parent)})
    assert "file=sub%2Cdir/boot-test.yaml," in line


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_run_can_be_told(make: Make, kind: str, tmp_path: Path) -> None:
    folder, said = make(kind), list[str]()
    summary = summarize_folder(folder)
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    tell(summary, folder, {"GITHUB_ACTIONS": "true", **files}, said.append)
    assert all(line.startswith("::") and line.count("\n") == 1 for line in said)
    assert len(said) <= 10
    page = Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    assert page.startswith("### ")
    assert f"outcome={summary.outcome}\n" in Path(files["GITHUB_OUTPUT"]).read_text()
    tell(summary, folder, {"GITLAB_CI": "true"}, said.append)
    quality = json.loads((folder / QUALITY).read_text())
    assert {one["severity"] for one in quality} <= {"major", "minor"}
    assert len({one["fingerprint"] for one in quality}) == len(quality)
    assert all(set(one) == {"description", "check_name", "fingerprint", "severity", "location"} for one in quality)


def test_a_fingerprint_stays_when_lines_move(make: Make) -> None:
    summary = summarize_folder(make("failed"))
    before, _ = json.loads(code_quality(summary, {}))
    moved = [
        replace(case, record=replace(case.record, ending=replace(case.record.ending, where=None)))
        for case in summary.cases
    ]
    after, _ = json.loads(code_quality(replace(summary, cases=tuple(moved)), {}))
    assert before["fingerprint"] == after["fingerprint"]


def test_what_a_device_said_is_no_markdown(make: Make) -> None:
    assert text("<img src=x onerror=alert(1)> | **b** `c` [d](e)") == (
        "&#60;img src=x onerror=alert(1)&#62; &#124; &#42;&#42;b&#42;&#42; &#96;c&#96; &#91;d&#93;(e)"
    )
    page = markdown(summarize_folder(make("failed")), Path("runs/x"))
    assert "prompt 'login: ' not seen within 25s" in page
    assert page.count("```") == 2


def test_says_which_file_it_could_not_write(make: Make, tmp_path: Path) -> None:
    folder = make("failed")
    with pytest.raises(OSError) as caught:
        tell(summarize_folder(folder), folder, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)}, print)
    assert caught.value.filename == str(tmp_path)
