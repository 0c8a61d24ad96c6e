from pathlib import Path

import pytest
from pydantic import ValidationError

from flowrunner_steps.screen.press import Press
from tests.support.guests import on_machine


@pytest.mark.machine
def test_a_machine_gets_keys_and_chords_in_order(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "!", within: 20s}
  - screen.press: {keys: [a, shift-b, space, c]}
  - expect: {prompt: "aB c", within: 10s}
  - screen.press: ctrl-alt-delete
  - expect: {prompt: "!", within: 20s}
"""
    done = on_machine(tmp_path, steps, keys=True)
    assert done.outcome == "passed", done.finished.result


@pytest.mark.parametrize(("key", "hint"), [("entr", "enter"), ("ctlr-a", "ctrl"), ("ctrl-f13x", "f13")])
def test_a_key_that_does_not_exist_is_an_error_before_the_run(key: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=f"there is no key '{key}'") as caught:
        Press.model_validate({"keys": ["a", key]})
    assert any(hint in error.get("ctx", {}).get("help", "") for error in caught.value.errors())
