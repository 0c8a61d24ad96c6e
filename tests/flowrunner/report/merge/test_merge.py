"""Runs of parts become one run; what is lost, killed or done twice is told."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from flowrunner.ci.units import choose
from flowrunner.engine.chosen import Chosen
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.errors import PipelineError
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from flowrunner.report.merge.known import known_results
from flowrunner.report.merge.write import merge
from flowrunner.report.summary import summarize_folder
from flowrunner.report.writer import write_reports
from tests.flowrunner.ci.conftest import FLEET, LAB, story

SMALL = """flow: 1
name: small
jobs:
  a: {strategy: {matrix: {n: [1, 2]}, fail_fast: false}, steps: [{id: x, run: "test ! -e broken"}, {artifact: {path: note.txt}}], outputs: {took: "${{ steps.x.outputs.exit }}"}}
  b: {steps: [{log: hello}]}
"""


class Runs:
    """Runs of parts of one pipeline in one folder."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        (folder / "p.yaml").write_text(text)
        (folder / "lab.yaml").write_text(LAB)
        (folder / "note.txt").write_text("hello\n")
        (folder / "notes.txt").write_text("hello\n")
        self.plan = compile(folder / "p.yaml").plan
        self.environment = {"FLOW_LOCK_DIR": str(folder / "locks")}

    def run(self, *jobs: str, after: Path | None = None, ending: bool = False, into: str = "parts") -> Path:
        """Run some jobs, or all of them; the folder of the run."""
        known = known_results([after], self.plan) if after else {}
        chosen = Chosen(jobs=choose(self.plan, jobs).jobs, known=known, ending=ending) if jobs or ending else None
        options = Options(fsync=False, environment=self.environment, chosen=chosen)
        bench = discover(self.folder / "p.yaml", environment=self.environment)
        finished = anyio.run(Runner(self.plan, {}, bench, self.folder / into, options).run)
        write_reports(finished.folder)
        return finished.folder

    def merge(self) -> tuple[Path, list[str]]:
        """The joined run, and what is lost."""
        folder, lost = merge([self.folder / "parts"], self.folder / "merged")
        return folder, list(lost)


@pytest.fixture
def small(tmp_path: Path) -> Runs:
    return Runs(tmp_path, SMALL)


def test_parts_tell_the_same_story_as_the_whole(tmp_path: Path) -> None:
    runs = Runs(tmp_path, FLEET)
    whole = story(runs.run(into="whole"))
    parts = tmp_path / "parts"
    for job in ("broken", "smoke[1]", "smoke[0]"):
        runs.run(job)
    runs.run("summary", "after", after=parts)
    runs.run(ending=True, after=parts)
    merged, lost = runs.merge()
    assert (story(merged), lost) == (whole, [])
    assert sorted(path.name for path in (merged / "artifacts").iterdir()) == ["notes-2.txt", "notes.txt"]
    stamps = [float(line[1:14]) for line in (merged / "smoke.0.dut.board.console.times.log").read_text().splitlines()]
    smoke = next(job for job in summarize_folder(merged).jobs if job.id == "smoke").instances[0]
    assert smoke.started is not None and smoke.ended is not None
    assert all(smoke.started <= stamp <= smoke.ended for stamp in stamps), "logs have the clock of the whole"


def test_a_job_of_which_there_is_no_run_is_errored_and_is_a_case(small: Runs) -> None:
    small.run("a[1]")
    merged, lost = small.merge()
    assert lost == ["a[0]", "b"]
    summary = summarize_folder(merged)
    assert (summary.outcome, summary.exit) == ("errored", 3)
    assert {case.record.path for case in summary.cases if case.record.outcome == "errored"} == {"a[0]", "b"}
    (a, _) = sorted(summary.jobs, key=lambda job: job.path)
    assert [one.outcome for one in a.instances] == ["errored", "passed"]
    assert a.outputs["took"][0] is None
    assert "no run of this job was found" in (merged / "junit.xml").read_text()


def test_the_newest_run_of_a_job_is_its_last_word(small: Runs) -> None:
    (small.folder / "broken").touch()
    small.run("a", "b")
    (small.folder / "broken").unlink()
    small.run("a[0]")
    merged, lost = small.merge()
    summary = summarize_folder(merged)
    assert (lost, summary.outcome) == ([], "failed")
    a = next(job for job in summary.jobs if job.id == "a")
    assert [one.outcome for one in a.instances] == ["passed", "failed"]
    small.run("a[1]")
    merged, _ = small.merge()
    assert summarize_folder(merged).outcome == "passed"
    assert len(list((merged / "artifacts").iterdir())) == 2, "what an earlier run left is not in it"


def test_a_job_that_is_done_anew_after_a_whole_run_counts_as_it_is_now(small: Runs) -> None:
    (small.folder / "broken").touch()
    assert summarize_folder(small.run()).outcome == "failed"
    (small.folder / "broken").unlink()
    small.run("a")
    assert summarize_folder(small.merge()[0]).outcome == "passed"


def test_a_run_that_was_killed_is_errored_where_it_stopped(small: Runs) -> None:
    small.run("b")
    folder = small.run("a")
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    started = next(n for n, line in enumerate(lines) if b'"step.started","path":"a[0].x"' in line)
    journal.write_bytes(b"\n".join(lines[: started + 1]) + b"\n")
    merged, lost = small.merge()
    summary = summarize_folder(merged)
    assert summary.outcome == "errored"
    assert "the journal just stops" in (summary.ending.message or "")
    assert "b" not in lost


def test_a_copy_of_a_run_counts_once(small: Runs) -> None:
    small.run("a", "b")
    (small.folder / "parts" / "copy").mkdir()
    newest = next(path for path in (small.folder / "parts").iterdir() if path.name[0].isdigit())
    for path in newest.iterdir():
        if path.is_file():
            (small.folder / "parts" / "copy" / path.name).write_bytes(path.read_bytes())
    merged, _ = small.merge()
    assert json.loads((merged / "results.json").read_text())["counts"]["total"] == 5


def test_runs_of_another_plan_are_refused(small: Runs) -> None:
    small.run("b")
    (small.folder / "p.yaml").write_text(SMALL.replace("hello", "goodbye"))
    small.plan = compile(small.folder / "p.yaml").plan
    small.run("a")
    with pytest.raises(PipelineError, match="their plans differ"):
        small.merge()
    with pytest.raises(PipelineError, match="their plans differ"):
        known_results([small.folder / "parts"], small.plan)


def test_says_that_there_is_no_run_and_leaves_nothing(small: Runs) -> None:
    with pytest.raises(PipelineError, match="there is no run in"):
        merge([small.folder / "nowhere"], small.folder / "merged")
    assert not (small.folder / "merged").exists()


def test_a_run_without_jobs_stays_what_it_is(tmp_path: Path) -> None:
    runs = Runs(tmp_path, "flow: 1\nname: plain\nsteps: [{run: exit 1}]\n")
    whole = story(runs.run())
    merged, lost = runs.merge()
    assert (story(merged), lost) == (whole, [])
