"""Reports of runs that the engine did, on a virtual clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flowrunner.engine.lines import read
from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Node, Retry
from flowrunner.report.summary import summarize, summarize_folder
from flowrunner.report.writer import write_reports
from flowrunner.step import Context, Step
from tests.support.engine_kit import act, execute, group, plan

AGAIN = Retry(attempts=2, on=("device", "infra"), between=(act("boot.between.off"),))

PIPELINES: dict[str, tuple[Node, ...]] = {
    "passed": (act("one"), group("boot", [act("boot.a"), act("boot.b", takes=2.0)])),
    "failed": (act("one", then="fail"), act("two")),
    "errored": (group("boot", [act("boot.a", then="device")]), act("two")),
    "never": (group("boot", [act("boot.a", then="infra")], retry=AGAIN),),
    "repeated": (act("scan", foreach=[1, 2, 3]), group("each", [act("each.a")], foreach=[1, 2])),
    "warned": (act("one", then="fail", severity="warning"), act("two")),
    "late": (act("one", takes=60.0, timeout=Duration(5)),),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_the_summary_says_what_the_engine_said(tmp_path: Path, kind: str) -> None:
    ran = execute(plan(*PIPELINES[kind], devices=["dut"], last=(act("finally.last"),)), tmp_path)
    summary = summarize_folder(ran.finished.folder)
    assert (summary.outcome, summary.exit) == (ran.outcome, ran.finished.exit)
    assert {record.path: record.outcome for record in summary.walk()} == ran.outcomes()
    assert summary.counts.total == len({case.record.key for case in summary.cases})
    assert next(record for record in summary.walk() if record.path == "finally.last").part == "finally"


class Flaky(Step):
    """Breaks the first time."""

    marker: Path

    async def run(self, context: Context) -> None:
        if not self.marker.exists():
            self.marker.touch()
            raise BenchError("it broke once", blame="infra")


def test_a_block_that_came_good_at_last_shows_no_error(tmp_path: Path) -> None:
    flaky = replace(act("boot.a"), step=Flaky, values={"marker": str(tmp_path / "broken")})
    ran = execute(plan(group("boot", [flaky, act("boot.b")], retry=AGAIN)), tmp_path)
    write_reports(ran.finished.folder)
    junit = ET.fromstring((ran.finished.folder / "junit.xml").read_bytes())
    assert (junit.get("tests"), junit.get("errors"), junit.get("failures")) == ("3", "0", "0")


def test_iterations_are_counted_and_their_sum_is_not(tmp_path: Path) -> None:
    summary = summarize_folder(execute(plan(*PIPELINES["repeated"]), tmp_path).finished.folder)
    assert [case.record.path for case in summary.cases] == [
        "scan[0]", "scan[1]", "scan[2]", "each[0].a", "each[1].a",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_run_that_was_killed_anywhere_has_reports(tmp_path: Path, kind: str) -> None:
    folder = execute(plan(*PIPELINES[kind], devices=["dut"]), tmp_path).finished.folder
    journal = folder / "journal.jsonl"
    whole, events = journal.read_bytes(), read(journal)
    for length in range(1, len(events)):
        journal.write_bytes(b"".join(whole.splitlines(keepends=True)[:length]) + b'{"n":')
        assert read(journal) == events[:length]
        assert len(write_reports(folder)) == 3
        assert summarize(events[:length]).outcome == "errored"


def test_a_canceled_run_is_canceled_in_all_reports(tmp_path: Path) -> None:
    ran = execute(plan(act("one", takes=60.0), act("two")), tmp_path, cancel=[(3.0, "SIGINT")])
    write_reports(ran.finished.folder)
    summary = summarize_folder(ran.finished.folder)
    assert (summary.outcome, summary.counts.canceled, summary.counts.skipped) == ("canceled", 1, 1)
    junit = ET.fromstring((ran.finished.folder / "junit.xml").read_bytes())
    skipped = [element.get("message") for element in junit.iter("skipped")]
    assert junit.get("skipped") == "2"
    assert skipped[0] is not None
    assert skipped[0].startswith("canceled: ")
