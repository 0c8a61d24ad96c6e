"""A pipeline with all that makes its parts hang together, its lab, and what is to be the same of two runs of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.bench import BOARD

LAB = f"exporters:\n  board: {{labels: {{board: any}}, export: {BOARD}}}\n  second: {{labels: {{board: other}}, export: {BOARD}}}\n"

FLEET = """flow: 1
name: fleet
inputs: {boards: {type: list, default: [any, other]}}
jobs:
  smoke:
    timeout: 2m
    queue_timeout: 1m
    strategy: {matrix: {board: "${{ inputs.boards }}"}, fail_fast: false, max_parallel: 1}
    devices: {dut: {selector: "board=${{ matrix.board }}"}}
    steps:
      - id: up
        power: on
      - expect: "login: "
      - artifact: {path: notes.txt}
      - measure: {name: level, value: 3, limits: {max: 4}}
    outputs: {name: "${{ devices.dut.name }}", took: "${{ steps.up.outputs.at }}"}
  broken: {steps: [{run: exit 1}]}
  after: {needs: broken, steps: [{log: never}]}
  summary:
    needs: [smoke, broken]
    if: ${{ needs.broken.outcome == 'failed' }}
    steps:
      - assert: ${{ needs.smoke.outputs.name == ['board', 'second'] }}
      - assert: ${{ needs.smoke.outputs.took[0] < 60 }}
rescue:
  - log: "it was ${{ failure.path }}: ${{ failure.message }}"
finally:
  - log: after is ${{ needs.after.outcome }}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A checkout with the pipeline."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "fleet.yaml").write_text(FLEET)
    (folder / "notes.txt").write_text("hello\n")
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The lab, which is not part of a checkout."""
    path = tmp_path / "the-lab.yaml"
    path.write_text(LAB)
    return path


def story(folder: Path) -> Mapping[str, Any]:
    """All that three reports tell of a run but when and where it ran, in an order that does not depend on that."""
    results = json.loads((folder / "results.json").read_text())
    cases = [{**one, "seconds": None} for one in results["cases"]]
    junit = ET.parse(folder / "junit.xml").getroot()
    page = (folder / "report.html").read_text()
    return {
        **{key: results[key] for key in ("complete", "outcome", "blame", "exit", "cause", "counts", "outputs")},
        "cases": _sorted(cases, "path"),
        "jobs": _sorted([_job(one) for one in results["jobs"]], "path"),
        "measurements": _picked(results["measurements"], "path", "name", "value", "verdict"),
        "artifacts": _picked(results["artifacts"], "path", "title", "sha256"),
        "leases": _picked(results["leases"], "job", "role", "exporter"),
        "safe": _picked(results["safe_states"], "job", "part", "action", "ok"),
        "consoles": sorted(one["name"] for one in results["consoles"]),
        "logs": sorted((step["path"], log["message"]) for step in _steps(results["steps"]) for log in step["logs"]),
        "junit": sorted((one.get("classname"), one.get("name"), [child.tag for child in one]) for one in junit.iter("testcase")),
        "page": sorted(case["path"] for case in cases if case["path"] in page),
    }  # fmt: skip


def _job(one: dict[str, Any]) -> dict[str, Any]:
    outputs = {**one["outputs"], **({"took": None} if "took" in one["outputs"] else {})}
    return {**one, "seconds": None, "outputs": outputs, "instances": [_job(each) for each in one["instances"]]}


def _steps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for step in steps for found in (step, *_steps(step["steps"]))]


def _sorted(entries: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda one: str(one[key]))


def _picked(entries: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(one.get(name)) for name in names) for one in entries)
