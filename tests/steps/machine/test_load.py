from pathlib import Path

import pytest

from tests.support.guests import on_machine

pytestmark = pytest.mark.machine


def test_a_machine_goes_back_also_after_its_power_was_off(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "ready> ", within: 20s}
  - machine.save: booted
  - send: {text: one, line_ending: none}
  - expect: {prompt: one, within: 5s}
  - power: cycle
  - machine.load: booted
  - send: {text: two, line_ending: none}
  - expect: {prompt: two, within: 5s}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "passed", done.finished.result


def test_a_state_that_was_never_saved_is_told_with_those_that_were(tmp_path: Path) -> None:
    done = on_machine(tmp_path, "  - machine.save: booted\n  - machine.load: boted\n")
    assert done.outcome == "errored"
    assert "the machine has no saved state 'boted'" in str(done.finished.result.message)
