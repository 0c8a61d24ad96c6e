"""`flow run` on exporters of Jumpstarter, and inside the shells of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner.lab.far import UNGUARDED
from flowrunner.report.plain import PlainLines
from tests.support.bench import Done
from tests.support.exporters import exporter, run
from tests.support.flow import clean
from tests.support.peers import BIN, HEAD, peer

FLOW = [sys.executable, "-m", "flowrunner"]
PIPELINE = """
flow: 1
name: theirs
devices: {dut: {selector: ""}}
steps:
  - power: on
  - {id: drawn, power: {action: read, count: 2, interval: 1ms}}
  - id: hello
    driver: {call: dut.tools.call_method, with: {method: hello, arguments: [you]}}
"""
THEIRS = """
export:
  power: {type: jumpstarter_driver_power.driver.MockPower}
  tools: {type: jumpstarter_driver_shell.driver.Shell, config: {methods: {hello: 'echo "hello $1"'}}}
"""
OURS = """
metadata: {name: lamp}
export:
  power: {type: power.virtual, config: {interval: 1ms}}
  tools: {type: shell.command, config: {methods: {hello: 'echo "hello $1"'}}}
"""


def outcomes(done: Done) -> dict[str, str]:
    return {event["path"]: event["outcome"] for event in done.of("step.finished")}


def inside(folder: Path, *shell: str | Path) -> str:
    """What `flow run` says inside of a shell; it passed."""
    done = subprocess.run(
        [*shell, "--", *FLOW, "run", "p.yaml"], cwd=folder, capture_output=True, text=True, timeout=90,
        stdin=subprocess.DEVNULL, env={**clean(), "FLOW_LOCK_DIR": str(folder / "locks"), "XDG_RUNTIME_DIR": str(folder)},
    )  # fmt: skip
    assert "theirs: passed" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(PIPELINE)
    return tmp_path / "p.yaml"


@pytest.mark.peer
def test_the_same_steps_pass_there_and_one_warning_says_what_is_not_guarded(tmp_path: Path, pipeline: Path) -> None:
    (tmp_path / "ours.yaml").write_text(OURS)
    here = run(pipeline, tmp_path / "here", exporters=[str(tmp_path / "ours.yaml")])
    with peer(THEIRS) as theirs:
        unix = run(pipeline, tmp_path / "unix", exporters=[str(theirs.unix.address)])
        tcp = run(pipeline, tmp_path / "tcp", exporters=[str(theirs.tcp.address)])
    assert outcomes(here) == outcomes(unix) == outcomes(tcp)
    assert {event["event"] for event in here.events} | {"lease.warning", "device.log"} >= {
        e["event"] for e in tcp.events
    }
    assert here.of("lease.warning") == []
    for there in (unix, tcp):
        [warning] = there.of("lease.warning")
        assert (warning["role"], warning["message"]) == ("dut", UNGUARDED)
        told: list[str] = []
        PlainLines(told.append)(warning)
        assert told[0].split(maxsplit=1)[1].startswith("warning  dut: this exporter cannot make the device safe")


@pytest.mark.peer
def test_a_run_inside_of_their_shell_uses_the_shells_exporter(tmp_path: Path, pipeline: Path) -> None:
    (tmp_path / "theirs.yaml").write_text(HEAD + THEIRS)
    said = inside(tmp_path, BIN / "jmp", "shell", "--exporter-config", tmp_path / "theirs.yaml")
    assert "nobody else will" in said


def test_a_run_inside_of_our_shell_works_within_its_lease(tmp_path: Path, pipeline: Path) -> None:
    (tmp_path / "ours.yaml").write_text(OURS)
    with exporter(tmp_path / "ours.yaml", tmp_path) as served:
        said = inside(tmp_path, *FLOW, "shell", "--exporter", served.unix)
    assert "leased   dut: lamp" in said
    assert "waiting" not in said
