from pathlib import Path

import pytest

from tests.support.guests import on_machine

pytestmark = pytest.mark.machine


def test_a_state_is_kept_and_its_size_is_told(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "ready> ", within: 20s}
  - id: kept
    machine.save: booted
  - assert: ${{ steps.kept.outputs.size > size('10KiB') }}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "passed", done.finished.result


def test_a_disk_that_keeps_no_state_says_what_to_configure(tmp_path: Path) -> None:
    done = on_machine(tmp_path, "  - machine.save: booted\n", config="cpu: qemu64")
    assert done.outcome == "errored"
    assert "a raw disk keeps no state" in str(done.finished.result.message)
