"""Two real machines on one network: both in one pipeline, their consoles on one clock."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cloud import guest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]


def test_one_machine_downloads_what_the_other_serves_and_both_logs_have_one_clock(tmp_path: Path) -> None:
    guest()
    command = [sys.executable, "-m", "flowrunner", "run", str(ROOT / "pipelines/pair/two-machines.yaml")]
    environment = {**os.environ, "FLOW_RUNS": str(tmp_path / "runs"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs/last"
    events = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    ended = {event["path"]: event for event in events if event["event"] == "step.finished"}
    serving, fetching = ended["parallel1.serving.made"], ended["parallel1.fetching.got"]
    assert serving["outputs"]["stdout"] == fetching["outputs"]["stdout"]
    assert serving["ended"] <= fetching["started"], "nothing is fetched before it is served"
    printed = {name: (run / f"{name}.machine.console.times.log").read_text() for name in ("server", "client")}
    at = {name: moment(text, f"cloud: {name} is up") for name, text in printed.items()}
    assert at["server"] < fetching["started"]
    assert at["client"] < fetching["started"]
    assert not list(tmp_path.glob("flow-qemu-*"))


def moment(text: str, line: str) -> float:
    """The seconds before a line of a console's log."""
    (found,) = (each for each in text.splitlines() if each.endswith(line))
    return float(found.lstrip("[ ").partition("]")[0])
