from pathlib import Path

import pytest

from tests.support.guests import on_machine

pytestmark = pytest.mark.machine


def test_the_monitors_answer_is_the_result(tmp_path: Path) -> None:
    steps = """
  - machine.qmp: stop
  - id: status
    machine.qmp: query-status
  - assert: ${{ not steps.status.outputs.result.running }}
  - id: memory
    machine.qmp: {command: human-monitor-command, with: {command-line: info cpus}}
  - assert: ${{ 'thread_id' in steps.memory.outputs.result }}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "passed", done.finished.result


def test_what_the_monitor_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    done = on_machine(tmp_path, "  - machine.qmp: fly\n")
    assert done.outcome == "errored"
    assert "QEMU refused 'fly': The command fly has not been found" in str(done.finished.result.message)
