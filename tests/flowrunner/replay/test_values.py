"""Answers on their way into a recording and out of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from flowrunner.interfaces.files import Files, FileStat
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.shell import ShellOutput
from flowrunner.model import Secret
from flowrunner.replay.values import LARGE, Content, answer_type, packed, plain, unpacked


class Odd(BaseModel):
    """A model with what JSON does not have."""

    raw: bytes
    parts: list[bytes] = []


@pytest.mark.parametrize(
    ("interface", "method", "answer"),
    [
        (Power, "read", PowerReading(voltage=5.25, current=0.1)),
        (Files, "stat", FileStat(path="a/b", size=7, modified=1.5)),
        (Files, "list", [FileStat(path="a", size=1), FileStat(path="b", size=2, directory=True)]),
        (Files, "capability", {"write": True, "most": 5, "none": None}),
        (Files, "read", b"\x00\xff\x80"),
    ],
)
def test_an_answer_comes_out_as_it_went_in(interface: Any, method: str, answer: object) -> None:
    kept = json.loads(json.dumps(packed(answer)))
    assert answer_type((interface,), method).validate_python(unpacked(kept)) == answer


def test_bytes_within_answers_are_kept() -> None:
    odd = Odd(raw=b"\xff\x00", parts=[b"a", b"\x80"])
    assert Odd.model_validate(unpacked(json.loads(json.dumps(packed(odd))))) == odd


def test_what_a_shell_printed_comes_out_as_it_went_in() -> None:
    output = ShellOutput(stdout=b"\xff\n", stderr=b"text")
    assert ShellOutput.model_validate(unpacked(json.loads(json.dumps(packed(output))))) == output


def test_arguments_are_compared_without_secrets_and_large_ones_by_their_digest() -> None:
    assert plain({"word": Secret("very secret")}) == {"word": "***"}
    large = plain(b"x" * (LARGE + 1))
    assert large["size"] == LARGE + 1
    assert large != plain(b"y" * (LARGE + 1))
    assert plain([1, "a", None]) == [1, "a", None]


def test_what_cannot_be_kept_does_not_end_a_run() -> None:
    odd = object()
    assert plain(odd) == packed(odd) == "object"


def test_content_is_counted_as_it_passes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"de"

    async def passed(content: Content) -> bytes:
        return b"".join([piece async for piece in content])

    content = Content(pieces())
    assert asyncio.run(passed(content)) == b"abcde"
    assert content.facts["size"] == 5
