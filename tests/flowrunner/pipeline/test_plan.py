"""The plan as data: the same for the same bytes, wherever and whenever it is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowrunner.pipeline import compile, plan_json, plan_text
from tests.support.compiler import Bench

PIPELINE = """
flow: 1
name: boot-test
description: Prove that it boots.
inputs:
  budget: {type: duration, default: 25s}
  options: {type: map, default: {b: 1, a: [x, y]}}
secrets: {password: {required: false}}
timeout: 20m
devices: {dut: {selector: "board=virt", requires: [video, console]}}
watch: [{pattern: panic}]
steps:
  - id: boot
    group:
      - {id: up, power: cycle}
      - expect: {prompt: "login: ", within: "${{ inputs.budget }}"}
    retry: {attempts: 3, on: [infra, device], between: [{power: off}]}
  - login: {username: root, password: "${{ secrets.password }}"}
  - background: {run: ./serve, ready: listening}
  - {shell: ls, foreach: [1, 2], if: "${{ env.CI == 'true' }}"}
finally: [{power: off}]
outputs: {at: "${{ steps.up.outputs.at }}"}
"""


def test_the_plan_has_what_a_report_needs(bench: Bench) -> None:
    found = plan_json(bench.compile(PIPELINE).plan)
    assert found["file"] == "test.yaml"
    assert found["inputs"]["budget"] == {"type": "duration", "value": "25s"}
    job = found["scope"]
    assert job["devices"]["dut"]["requires"] == ["video", "console"]
    assert job["outputs"] == {"at": "${{ steps.up.outputs.at }}"}
    boot = job["steps"][0]
    assert (boot["path"], boot["action"], boot["retry"]["on"]) == ("boot", "group", ["infra", "device"])
    expect = boot["scope"]["steps"][1]
    assert expect["params"] == {"prompt": "login: ", "within": "${{ inputs.budget }}"}
    assert expect["where"] == {"file": "test.yaml", "line": 16, "column": 9}
    assert (expect["kind"], expect["device"], expect["outputs"]["at"]) == ("test", "dut", "duration")
    assert json.loads(json.dumps(found)) == found


def test_the_digest_does_not_depend_on_where_the_file_is(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bench.compile(PIPELINE).plan
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "test.yaml").write_text(PIPELINE)
    monkeypatch.chdir(other)
    assert compile(Path("test.yaml")).plan.digest == here.digest == compile(other / "test.yaml").plan.digest


@pytest.mark.parametrize(
    ("old", "new"), [("25s", "26s"), ("cycle", "on"), ("root", "admin"), ("20m", "21m"), ("board=virt", "a=b")]
)
def test_the_digest_depends_on_what_the_plan_does(bench: Bench, old: str, new: str) -> None:
    assert bench.compile(PIPELINE).plan.digest != bench.compile(PIPELINE.replace(old, new)).plan.digest


def test_the_digest_does_not_depend_on_the_hash_seed(bench: Bench) -> None:
    code = (
        "import sys, json; from pathlib import Path; from flowrunner.pipeline import compile, plan_json;"
        "print(json.dumps(plan_json(compile(Path(sys.argv[1])).plan)))"
    )
    plan = bench.compile(PIPELINE).plan
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(bench.path)], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert json.loads(said[0]) == plan_json(plan)


def test_the_tree_shows_every_step(bench: Bench) -> None:
    plan = bench.compile(PIPELINE).plan
    text = plan_text(plan)
    assert all(f" {node.path}: " in text for node in plan.walk())
    assert "├─ device dut: board=virt, with video, console, power; at the end power off" in text
    assert "├─ boot: group, up to 3 attempts on infra or device, line 14" in text
    assert plan.digest in text


def test_a_thousand_steps_compile_in_well_under_a_second(bench: Bench) -> None:
    steps = "".join(
        f"  - {{id: up{i}, power: cycle, timeout: 10s}}\n"
        f"  - expect: {{pattern: 'U-Boot {i}', within: '${{{{ inputs.budget }}}}', reject: [panic]}}\n"
        f"    retry: {{attempts: 2, on: [infra]}}\n"
        f"  - measure: {{name: boot{i}, value: '${{{{ steps.up{i}.outputs.at }}}}', limits: {{max: 25}}}}\n"
        f"  - shell: echo {i}\n"
        f"  - log: up at ${{{{ steps.up{i}.outputs.at }}}}\n"
        for i in range(200)
    )
    head = "flow: 1\ninputs: {budget: {type: duration, default: 25s}}\ndevices: {dut: {}}\nsteps:\n"
    bench.compile(head + "  - log: warm\n")
    best = 10.0
    for _ in range(3):
        start = time.process_time()
        assert sum(1 for _ in bench.compile(head + steps).plan.walk()) == 1000
        best = min(best, time.process_time() - start)
    assert best < 1.5, "0.4 s on the machine of 2026; the limit leaves room for a loaded one"
