"""The example of a machine with UEFI and a cloud-init disk, as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cloud import guest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]


def test_a_machine_boots_by_uefi_is_reached_over_the_network_and_goes_back_to_a_kept_state(tmp_path: Path) -> None:
    guest()
    command = [sys.executable, "-m", "flowrunner", "run", str(ROOT / "pipelines/cloud-test.yaml")]
    environment = {**os.environ, "FLOW_RUNS": str(tmp_path / "runs"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "runs/last/results.json").read_text())
    assert found["outcome"] == "passed"
    assert list(tmp_path.glob("flow-qemu-*")) == []
