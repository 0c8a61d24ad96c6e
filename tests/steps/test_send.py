"""Typing on the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.replay.clock import run_virtual
from flowrunner_steps.send import Send
from tests.support.consoles import FedConsole, reading
from tests.support.context import RecordingContext


def typed(folder: Path, **fields: Any) -> tuple[bytes, float, list[tuple[bytes, bool]]]:
    """What arrives at the device, how long it took, and what the journal is told."""

    async def body() -> tuple[bytes, float, list[tuple[bytes, bool]]]:
        console, told = FedConsole(), []
        async with reading(console, folder, on_send=lambda data, secret: told.append((data, secret))) as reader:
            before = anyio.current_time()
            context = RecordingContext(folder, consoles={"dut.console": reader.session})
            await Send.model_validate(fields).run(context)
            return console.sent, anyio.current_time() - before, told

    return run_virtual(body)


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"text": "reboot"}, b"reboot\n"),
        ({"text": "é", "line_ending": "cr"}, "é\r".encode()),
        ({"text": "x", "line_ending": "crlf"}, b"x\r\n"),
        ({"text": "y", "line_ending": "none"}, b"y"),
        ({"text": ""}, b"\n"),
        ({"key": "ctrl-c"}, b"\x03"),
        ({"key": "Ctrl-]"}, b"\x1d"),
        ({"key": ["down", "enter"]}, b"\x1b[B\r"),
        ({"hex": "1b 5b41"}, b"\x1b[A"),
    ],
)
def test_types_text_keys_and_bytes(tmp_path: Path, fields: dict[str, Any], data: bytes) -> None:
    assert typed(tmp_path, **fields)[0] == data


def test_paces_for_slow_devices(tmp_path: Path) -> None:
    assert typed(tmp_path, text="four", delay="250ms")[1] == pytest.approx(1.0)


def test_tells_the_journal_what_is_secret(tmp_path: Path) -> None:
    assert typed(tmp_path, text="open", secret=True)[2] == [(b"open\n", True)]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "needs one of text, key, hex, got none"),
        ({"text": "a", "key": "up"}, "needs one of text, key, hex, got text and key"),
        ({"key": "ctrl-1"}, "there is no key 'ctrl-1'"),
        ({"hex": "1g"}, "is not hexadecimal: '1g'"),
        ({"text": "a", "line_ending": "LF"}, "Input should be 'lf', 'cr', 'crlf' or 'none'"),
    ],
)
def test_refuses_what_cannot_be_typed(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Send.model_validate(fields)
    assert why in str(caught.value)


def test_a_key_that_is_misspelt_gets_a_hint() -> None:
    with pytest.raises(ValidationError) as caught:
        Send.model_validate({"key": "entr"})
    assert caught.value.errors()[0]["ctx"]["help"] == "did you mean 'enter'?"
