"""Waiting for text on the console."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flowrunner.errors import ExpectationError
from flowrunner.replay.clock import run_virtual
from flowrunner_steps.expect import Expect, ExpectOutputs
from tests.support.consoles import FedConsole, reading
from tests.support.context import RecordingContext

BOOT = b"U-Boot 2024.01-rc3 (Jan 02 2024)\r\nStarting kernel ...\r\n\x1b[1mboard\x1b[0m login: "


def expect(folder: Path, *steps: dict[str, Any], printed: bytes = BOOT, delay: float = 0.0) -> list[ExpectOutputs]:
    """What the steps give, one after the other, on a console that prints `printed` after `delay` seconds."""

    async def body() -> list[ExpectOutputs]:
        console = FedConsole()
        async with reading(console, folder) as reader:
            asyncio.get_running_loop().call_later(delay, console.feed, printed)
            context = RecordingContext(folder, consoles={"dut.console": reader.session})
            return [await Expect.model_validate(step).run(context) for step in steps]

    return run_virtual(body)


def test_gives_the_text_the_groups_and_the_time(tmp_path: Path) -> None:
    spl, prompt = expect(tmp_path, {"pattern": r"U-Boot (?P<version>\S+)"}, {"prompt": "login: "}, delay=3)
    assert spl.match == "U-Boot 2024.01-rc3"
    assert spl.groups == {"version": "2024.01-rc3"}
    assert spl.at == prompt.at == pytest.approx(3)
    assert (prompt.match, prompt.which, prompt.groups) == ("login: ", 0, {})


def test_several_patterns_say_which_came(tmp_path: Path) -> None:
    choices = [{"prompt": "login: ", "name": "up"}, {"pattern": "Starting (?P<what>.+) ", "name": "kernel"}]
    assert [outputs.which for outputs in expect(tmp_path, {"patterns": choices}, {"patterns": choices})] == [
        "kernel",
        "up",
    ]
    (outputs,) = expect(tmp_path, {"patterns": [{"pattern": "never"}, {"pattern": "kernel"}]})
    assert outputs.which == 1


def test_a_listed_pattern_may_be_a_failure(tmp_path: Path) -> None:
    bad = {"pattern": "Starting kernel", "name": "too early", "outcome": "errored", "blame": "device"}
    with pytest.raises(ExpectationError, match="'too early' came: 'Starting kernel'") as caught:
        expect(tmp_path, {"patterns": [{"prompt": "login: "}, bad]})
    assert (caught.value.outcome, caught.value.blame) == ("errored", "device")


def test_a_reject_ends_the_wait(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="'Starting k' was printed before prompt") as caught:
        expect(tmp_path, {"prompt": "login: ", "reject": ["never", "Starting k"]})
    assert (caught.value.outcome, caught.value.cause) == (None, "unmet")
    with pytest.raises(ExpectationError) as caught:
        expect(tmp_path, {"prompt": "login: ", "reject": [{"pattern": "kernel", "outcome": "failed"}]})
    assert caught.value.outcome == "failed"


def test_waits_a_minute_unless_told(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="prompt not seen within 1m"):
        expect(tmp_path, {"prompt": "# "})
    with pytest.raises(ExpectationError, match="pattern 'Linux version' not seen within 25s") as caught:
        expect(tmp_path, {"pattern": "Linux version", "within": "25s"})
    assert caught.value.cause == "timeout"
    assert (caught.value.said or "").splitlines()[-1] == "board login:"


def test_settle_is_the_authors(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError):
        expect(tmp_path, {"prompt": "login: ", "settle": "5s", "within": "4s"})
    expect(tmp_path, {"prompt": "login: ", "settle": "3s", "within": "4s"})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"pattern": "a("}, "is no regular expression: missing )"),
        ({"patterns": [{"pattern": "*"}]}, "is no regular expression: nothing to repeat"),
        ({"reject": ["("], "prompt": "x"}, "is no regular expression: missing )"),
        ({}, "needs one of pattern, prompt, patterns, got none"),
        ({"pattern": "a", "prompt": "b"}, "needs one of pattern, prompt, patterns, got 'pattern' and 'prompt'"),
        ({"patterns": [{"name": "x"}]}, "needs one of pattern, prompt, got none"),
        ({"patterns": []}, "at least 1 item"),
        ({"prompt": ""}, "at least 1 character"),
        ({"prompt": "a\nb"}, "should match pattern"),
        ({"prompt": "a", "within": 10}, "needs a duration, got the number 10"),
    ],
)
def test_refuses_what_cannot_be_awaited(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Expect.model_validate(fields)
    assert why in str(caught.value)
