from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.engine.lines import read
from flowrunner.report.planned import Planned, read_plan
from flowrunner.report.summary import summarize, summarize_folder
from tests.support.fake_run import FakeRun
from tests.support.fake_runs import KINDS

Make = Callable[[str], Path]

OUTCOMES = {
    "passed": "passed", "failed": "failed", "errored": "errored", "canceled": "canceled", "retried": "passed",
    "snapshot": "failed", "crashed": "errored",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_outcome_is_that_of_the_run(make: Make, kind: str) -> None:
    assert summarize_folder(make(kind)).outcome == OUTCOMES[kind]


def test_counts_each_step_once(make: Make) -> None:
    counts = summarize_folder(make("failed")).counts
    assert (counts.total, counts.passed, counts.failed, counts.errored, counts.skipped) == (10, 4, 1, 1, 4)


def test_steps_of_a_block_that_was_tried_again_count_by_their_last_attempt(make: Make) -> None:
    summary = summarize_folder(make("retried"))
    spl = next(case for case in summary.cases if case.record.key == "boot.spl")
    assert spl.record.outcome == "passed"
    assert [record.outcome for record in spl.earlier] == ["errored"]
    assert summary.counts.errored == 0
    assert summary.counts.retried == 1


def test_what_ran_between_two_attempts_is_below_the_attempt_before(make: Make) -> None:
    boot = summarize_folder(make("retried")).records[0]
    assert [[child.label for child in attempt.children] for attempt in boot.attempts] == [
        ["power_on", "spl", "prompt", "power1"],
        ["power_on", "spl", "prompt"],
    ]
    assert boot.attempts[0].children[-1].part == "between"


def test_iterations_are_below_the_step_that_is_repeated(make: Make) -> None:
    scan = summarize_folder(make("passed")).find("scan")
    assert scan is not None
    assert [child.path for child in scan.children] == ["scan[0]", "scan[1]"]
    assert not scan.leaf


def test_a_step_without_an_end_ended_where_the_journal_stops(make: Make) -> None:
    summary = summarize_folder(make("crashed"))
    prompt = summary.find("boot.prompt")
    assert not summary.complete
    assert prompt is not None
    assert (prompt.outcome, prompt.ending.message) == ("errored", "the run ended here")
    assert prompt.ending.note


def test_a_step_without_an_end_is_canceled_when_somebody_had_asked_for_that(make: Make) -> None:
    folder = make("canceled")
    events = read(folder / "journal.jsonl")
    asked = next(index for index, event in enumerate(events) if event["event"] == "cancel.requested")
    summary = summarize(events[: asked + 1], read_plan(folder))
    prompt = summary.find("boot.prompt")
    assert prompt is not None
    assert prompt.outcome == summary.outcome == "canceled"


@pytest.mark.parametrize("kind", KINDS)
def test_every_first_part_of_a_journal_has_a_summary(make: Make, kind: str) -> None:
    folder = make(kind)
    events, plan = read(folder / "journal.jsonl"), read_plan(folder)
    for length in range(len(events) + 1):
        summary = summarize(events[:length], plan)
        started = {event["path"] for event in events[:length] if event["event"] == "step.started"}
        assert started <= {record.path for record in summary.walk()}
        assert sum(1 for _ in summary.walk()) == len({record.path for record in summary.walk()})


def test_a_run_that_failed_in_no_step_has_a_case_of_its_own(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    run.start()
    run.event("lease.requested", role="dut", selector="board=virt", requires=[], queue_timeout=10)
    run.t = 10
    run.finish("errored", 3, path="", outcome="errored", blame="infra", message="no board was free within 10s")
    summary = summarize_folder(run.folder)
    assert [(case.record.key, case.record.outcome) for case in summary.cases] == [("run", "errored")]
    assert summary.counts.errored == 1


def test_leases_tell_how_long_they_were_waited_for(make: Make) -> None:
    [lease] = summarize_folder(make("passed")).leases
    assert lease.requested is not None
    assert lease.acquired is not None
    assert lease.acquired - lease.requested == pytest.approx(6.4)
    assert "grace" in lease.waits[0][1]


def test_parameters_come_from_the_plan_and_are_missing_without_it(make: Make) -> None:
    folder = make("passed")
    with_plan = summarize_folder(folder).find("boot.prompt")
    without = summarize(read(folder / "journal.jsonl"), Planned()).find("boot.prompt")
    assert with_plan is not None
    assert without is not None
    assert with_plan.parameters == {"prompt": "login: ", "within": "25s"}
    assert without.parameters == {}


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b'{"scope": 3}', b"\xff\xfe{", b'{"scope": {"steps": null}, "sources": []}']
)
def test_a_damaged_plan_is_an_empty_one(make: Make, damage: bytes) -> None:
    folder = make("passed")
    (folder / "plan.json").write_bytes(damage)
    assert read_plan(folder).sources == {}
    assert summarize_folder(folder).outcome == "passed"
