from pathlib import Path

import pytest

from tests.support.guests import on_machine

pytestmark = pytest.mark.machine


def test_a_machine_gets_the_text_key_by_key_and_enter(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "!", within: 20s}
  - screen.type: {text: "one\ntwo", enter: true}
  - screen.type: "Hi, you_2!"
  - expect: {prompt: "Hi, you_2!", within: 10s}
"""
    done = on_machine(tmp_path, steps, keys=True)
    assert done.outcome == "passed", done.finished.result


def test_a_machine_that_is_off_is_told(tmp_path: Path) -> None:
    done = on_machine(tmp_path, "  - power: off\n  - screen.type: hello\n")
    assert done.outcome == "errored"
    assert "the machine is off" in str(done.finished.result.message)
