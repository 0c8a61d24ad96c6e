from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.engine.folder import create_folder
from flowrunner.errors import PipelineError
from flowrunner.report.runs import list_runs, resolve_run
from tests.support.fake_run import FakeRun

Make = Callable[[str], Path]


def test_lists_the_runs_newest_first_with_how_they_ended(tmp_path: Path) -> None:
    for day, outcome in ((1, "passed"), (2, "failed")):
        run = FakeRun(tmp_path / f"2026110{day}-aa")
        run.event("run.started", id=run.folder.name, pipeline="p", file="p.yaml", wall=f"2026-11-0{day}T00:00:00+00:00")
        run.t = 3.5
        run.finish(outcome, 0)
    (tmp_path / "no-run").mkdir()
    (tmp_path / "last").symlink_to("20261102-aa")
    assert [(entry.id, entry.outcome, entry.seconds) for entry in list_runs(tmp_path)] == [
        ("20261102-aa", "failed", 3.5),
        ("20261101-aa", "passed", 3.5),
    ]


def test_a_run_without_an_end_is_running_only_while_its_runner_lives(make: Make, tmp_path: Path) -> None:
    folder = make("crashed")
    assert list_runs(folder.parent)[0].outcome == "unfinished"
    with create_folder(tmp_path / "live" / "x"):
        (tmp_path / "live" / "x" / "journal.jsonl").write_bytes((folder / "journal.jsonl").read_bytes())
        assert list_runs(tmp_path / "live")[0].outcome == "running"


def test_a_folder_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


@pytest.mark.parametrize("text", ["passed", "pass", "sed", "last"])
def test_finds_a_run_by_its_id_or_a_part_of_it(make: Make, text: str) -> None:
    folder = make("passed")
    assert resolve_run(text, folder.parent) == folder


def test_finds_a_run_by_its_path(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("passed")
    monkeypatch.chdir(folder.parent)
    assert resolve_run(str(folder), Path("elsewhere")) == folder
    assert resolve_run(str(folder / "report.html"), Path("elsewhere")) == folder
    assert resolve_run(os.curdir + "/passed", Path("elsewhere")) == Path("passed")


def test_names_the_runs_when_one_is_missing(make: Make) -> None:
    folder = make("passed")
    with pytest.raises(PipelineError, match="no run 'pasted' in") as caught:
        resolve_run("pasted", folder.parent)
    assert caught.value.help == "did you mean 'passed'?"


def test_says_when_several_runs_match(make: Make) -> None:
    make("retried")
    folder = make("failed")
    with pytest.raises(PipelineError, match="several runs match 'ed'"):
        resolve_run("ed", folder.parent)
