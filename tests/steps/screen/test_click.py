from pathlib import Path

import pytest
from pydantic import ValidationError

from flowrunner_steps.screen.click import Click
from tests.support.guests import on_machine


@pytest.mark.machine
def test_a_click_beside_the_screen_names_its_size(tmp_path: Path) -> None:
    steps = """
  - expect: {prompt: "ready> ", within: 20s}
  - screen.click: {at: [10, 20], count: 2}
  - screen.click: {at: [10, 20], to: [100, 120]}
  - screen.click: {at: [5000, 20]}
"""
    done = on_machine(tmp_path, steps)
    assert done.outcome == "errored"
    assert "5000,20 is not on the screen, which has 720x400 pixels" in str(done.finished.result.message)


@pytest.mark.parametrize("values", [{"at": [1]}, {"at": [-1, 2]}, {"at": [1, 2], "count": 0}, {"button": "left"}])
def test_a_place_needs_two_numbers(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Click.model_validate(values)
