"""Jobs from pipeline text to journal and reports, on virtual boards of a real lab."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from flowrunner.errors import PipelineErrors
from flowrunner.report.display import closing_lines
from flowrunner.report.live import LiveTree
from flowrunner.report.summary import summarize_folder
from flowrunner.report.writer import write_reports
from tests.support.bench import BOARD, Done, execute

FLEET = """
inputs: {boards: {type: list, default: [any, other]}}
jobs:
  smoke:
    strategy:
      matrix: {board: "${{ inputs.boards }}", n: [1, 2], exclude: [{board: other, n: 2}]}
      fail_fast: false
    devices: {dut: {selector: "board=${{ matrix.board }}"}}
    steps:
      - id: up
        power: on
      - expect: "login: "
    outputs: {name: "${{ devices.dut.name }}", which: "${{ matrix.board }}${{ matrix.n }}"}
  broken:
    steps: [{run: exit 1}]
  after:
    needs: broken
    steps: [{log: never}]
  summary:
    needs: [smoke, broken]
    if: ${{ needs.broken.outcome == 'failed' }}
    steps:
      - assert: ${{ needs.smoke.outputs.name == ['board', 'board', 'second'] }}
      - assert: ${{ needs.smoke.outputs.which == ['any1', 'any2', 'other1'] }}
finally:
  - log: after is ${{ needs.after.outcome }}
outputs: {names: "${{ needs.smoke.outputs.name }}"}
"""


def fleet(folder: Path, text: str = FLEET) -> Done:
    lab = f"exporters:\n  board: {{labels: {{board: any}}, export: {BOARD}}}\n  second: {{labels: {{board: other}}, export: {BOARD}}}\n"
    return execute(folder, text, lab=lab)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    found = fleet(tmp_path_factory.mktemp("fleet"))
    write_reports(found.finished.folder)
    return found


def test_each_instance_has_the_board_that_it_names_and_takes_turns_with_others(done: Done) -> None:
    assert done.outcome == "failed"
    assert {path: done.record(path)["outcome"] for path in ("smoke", "broken", "after", "summary")} == {
        "smoke": "passed", "broken": "failed", "after": "skipped", "summary": "passed",
    }  # fmt: skip
    held = [(e["event"], e["job"], e["exporter"]) for e in done.of("lease.acquired") + done.of("lease.released")]
    assert sorted(held) == [
        ("lease.acquired", "smoke[0]", "board"), ("lease.acquired", "smoke[1]", "board"),
        ("lease.acquired", "smoke[2]", "second"), ("lease.released", "smoke[0]", "board"),
        ("lease.released", "smoke[1]", "board"), ("lease.released", "smoke[2]", "second"),
    ]  # fmt: skip
    assert any(event["message"] == "after is skipped" for event in done.of("log"))


def test_each_instance_has_a_console_of_its_own(done: Done) -> None:
    for number in range(3):
        assert b"login: " in done.files()[f"smoke.{number}.dut.board.console.log"]


def test_the_reports_show_the_jobs(done: Done) -> None:
    folder = done.finished.folder
    found = json.loads((folder / "results.json").read_text())
    assert [(job["path"], job["outcome"], len(job["instances"])) for job in found["jobs"]] == [
        ("smoke", "passed", 3), ("broken", "failed", 0), ("after", "skipped", 0), ("summary", "passed", 0),
    ]  # fmt: skip
    assert found["jobs"][0]["instances"][2]["name"] == "smoke (other, 1)"
    assert {(lease["job"], lease["exporter"]) for lease in found["leases"]} == {
        ("smoke[0]", "board"), ("smoke[1]", "board"), ("smoke[2]", "second"),
    }  # fmt: skip
    suites = ET.parse(folder / "junit.xml").getroot().findall("testsuite")
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("skipped")) for s in suites] == [
        ("test.smoke[0]", "2", "0", "0"), ("test.smoke[1]", "2", "0", "0"), ("test.smoke[2]", "2", "0", "0"),
        ("test.broken", "1", "1", "0"), ("test.after", "1", "0", "1"), ("test.summary", "2", "0", "0"),
        ("test", "1", "0", "0"),
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert 'id="jobs"' in page
    assert "smoke (other, 1)" in page
    lines = "\n".join(closing_lines(summarize_folder(folder), folder))
    assert "3 passed" in lines
    assert "because of broken" in lines


def test_the_terminal_tells_paths_in_full_once_jobs_run_beside_each_other(done: Done) -> None:
    stream = StringIO()
    with LiveTree(Console(file=stream, force_terminal=True, width=160)) as tree:
        for event in done.events:
            tree(event)
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in stream.getvalue().splitlines()]
    for path in ("smoke[0].up", "smoke[2].expect2", "broken.run1", "finally.log1"):
        assert any(re.search(rf"[✓✗] {re.escape(path)} ", line) for line in lines), path
    assert any("▸ smoke[2]  smoke (other, 1)" in line for line in lines)


def test_console_excerpts_are_those_of_the_own_job(done: Done) -> None:
    suites = ET.parse(done.finished.folder / "junit.xml").getroot().findall("testsuite")
    for number, suite in enumerate(suites[:3]):
        said = "".join(element.text or "" for element in suite.iter("system-out"))
        assert f"[console smoke.{number}.dut.board.console" in said


def test_a_lab_must_have_what_each_job_needs_and_not_all_of_it_at_once(tmp_path: Path) -> None:
    two = "jobs:\n  a: {devices: {dut: board=any}, steps: [{power: on}]}\n  b: {devices: {ap: board=any}, steps: [{power: on}]}\n"
    assert execute(tmp_path, two).outcome == "passed"
    with pytest.raises(PipelineErrors) as caught:
        execute(tmp_path, two.replace("ap: board=any", "ap: board=none"))
    assert [error.code for error in caught.value.errors] == ["no-exporter"]


def test_a_selector_in_a_template_is_that_of_its_call(tmp_path: Path) -> None:
    text = """
templates:
  name:
    inputs: {board: {}}
    steps:
      - id: at
        lease:
          devices: {dut: "board=${{ inputs.board }}"}
          steps: [{id: say, run: "echo ${{ devices.dut.name }}"}]
    outputs: {name: "${{ steps.say.outputs.stdout | trim }}"}
steps:
  - {id: a, call: name, with: {board: any}}
  - {id: b, call: name, with: {board: other}}
  - assert: ${{ steps.a.outputs.name == 'board' and steps.b.outputs.name == 'second' }}
"""
    assert fleet(tmp_path, text).outcome == "passed"
