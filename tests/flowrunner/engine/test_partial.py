"""Runs of which a part is left out."""

from pathlib import Path
from textwrap import dedent

from flowrunner.engine.lines import Event, read
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.pipeline import compile
from flowrunner.pipeline.select import Selection, select
from flowrunner.replay.clock import run_virtual
from tests.support.engine_kit import VirtualLab

JOBS = """
flow: 1
jobs:
  build: {steps: [{id: made, log: made}]}
  smoke:
    needs: [build]
    devices: {dut: board=virt}
    strategy: {matrix: {size: [1, 2]}}
    steps: [{id: first, log: first}, {id: second, power: on}]
    finally: [{power: off}]
  told: {needs: [smoke], devices: {ap: board=virt}, steps: [{log: told}]}
"""

BESIDE = """
flow: 1
steps:
  - id: both
    parallel:
      branches:
        left: [{id: one, log: one}, {barrier: meet}, {id: two, log: two}]
        right: [{barrier: meet}, {id: three, log: three}]
"""

TEMPLATE = """
flow: 1
templates:
  greet: {steps: [{id: hello, log: hello}, {id: bye, log: bye}]}
steps:
  - id: each
    call: greet
    foreach: [1, 2]
"""


def ran(folder: Path, text: str, **wanted: object) -> tuple[int, list[Event]]:
    """The exit status and the journal of a part of a pipeline."""
    path = folder / "p.yaml"
    path.write_text(dedent(text))
    selection = Selection(**wanted)  # type: ignore[arg-type]
    plan, left_out = select(compile(path).plan, selection)
    runner = Runner(plan, {}, VirtualLab(), folder / "runs", Options(fsync=False, left_out=left_out))
    finished = run_virtual(runner.run)
    return finished.exit, read(finished.folder / "journal.jsonl")


def outcomes(events: list[Event]) -> dict[str, str]:
    return {e["path"]: e["outcome"] for e in events if e["event"] == "step.finished"}


def test_a_job_runs_without_the_one_that_it_needs_when_that_is_left_out(tmp_path: Path) -> None:
    exit, events = ran(tmp_path, JOBS, begin="smoke.second")
    found = outcomes(events)
    assert exit == 0
    assert (found["build"], found["build.made"]) == ("skipped", "skipped")
    assert (found["smoke[1].first"], found["smoke[1].second"], found["told"]) == ("skipped", "passed", "passed")
    assert found["smoke[0].finally.power1"] == "passed"
    reasons = {e["because"] for e in events if e["event"] == "step.finished" and e["outcome"] == "skipped"}
    assert reasons == {"--from smoke.second"}


def test_nothing_is_leased_for_a_job_that_is_left_out(tmp_path: Path) -> None:
    _, events = ran(tmp_path, JOBS, only=["smoke"])
    assert {e["role"] for e in events if e["event"] == "lease.requested"} == {"dut"}


def test_branches_meet_although_some_of_their_steps_are_left_out(tmp_path: Path) -> None:
    exit, events = ran(tmp_path, BESIDE, only=["two"])
    found = outcomes(events)
    assert exit == 0
    assert [found[path] for path in ("both.left.one", "both.left.two", "both.right.three")] == [
        "skipped", "passed", "skipped",
    ]  # fmt: skip


def test_a_step_of_a_template_is_left_out_in_each_iteration(tmp_path: Path) -> None:
    exit, events = ran(tmp_path, TEMPLATE, only=["each.bye"])
    found = outcomes(events)
    assert exit == 0
    assert [found[f"each[{n}].hello"] for n in (0, 1)] == ["skipped", "skipped"]
    assert [found[f"each[{n}].bye"] for n in (0, 1)] == ["passed", "passed"]


def test_each_step_of_the_plan_has_one_final_record(tmp_path: Path) -> None:
    _, events = ran(tmp_path, BESIDE, only=["one"])
    paths = [e["path"] for e in events if e["event"] == "step.finished"]
    assert len(paths) == len(set(paths)) == 8
