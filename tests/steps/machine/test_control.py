from pathlib import Path

import pytest
from pydantic import ValidationError

from flowrunner_steps.machine.control import Control
from tests.support.guests import on_machine


@pytest.mark.machine
def test_a_machine_is_paused_resumed_and_reset(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "ready> ", within: 20s}
  - id: paused
    machine.control: pause
  - assert: ${{ steps.paused.outputs.state == 'paused' }}
  - id: running
    machine.control: resume
  - assert: ${{ steps.running.outputs.state == 'running' }}
  - machine.control: reset
  - expect: {prompt: "ready> ", within: 20s}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "passed", done.finished.result


@pytest.mark.machine
def test_a_guest_that_does_not_listen_to_its_power_button_is_told(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "ready> ", within: 20s}
  - machine.control: {action: shutdown, within: 300ms}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "errored"
    assert "the guest did not shut down within 300ms of its power button" in str(done.finished.result.message)


def test_a_limit_is_for_a_shutdown_only() -> None:
    with pytest.raises(ValidationError, match="has a meaning only for shutdown"):
        Control.model_validate({"action": "pause", "within": "1s"})
