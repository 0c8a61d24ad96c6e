"""What clients of Jumpstarter are told of errors: the code of the table, the words, nothing of the code's insides."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest

from flowrunner.bench.traced import Traced
from flowrunner.driver import Driver
from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.remote.exporter.refusal import LONGEST, Refusal, checked, refused
from flowrunner.remote.exporter.turn import Busy
from flowrunner.remote.values import to_value
from flowrunner.remote.wire import MESSAGE_LIMIT
from tests.support.devices import NoConfig

Code = grpc.StatusCode


class BrokenPower(Driver[NoConfig], Power):
    """Raises what it was given."""

    def __init__(self, error: Exception) -> None:
        super().__init__(NoConfig())
        self.error = error

    async def on(self) -> None:
        raise self.error

    async def off(self) -> None:
        raise self.error

    def read(self) -> AsyncIterator[PowerReading]:
        raise self.error


async def told(error: Exception) -> Refusal:
    """What a client is told of an error of its driver."""
    traced = Traced(Direct(BrokenPower(error)), driver="power", type="power.broken", guards=(), on_call=None)
    try:
        await Power.client(traced).on()
    except Exception as raised:  # noqa: BLE001 - whatever comes
        return refused(raised)
    raise AssertionError("nothing was raised")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (NotImplementedError(), Code.UNIMPLEMENTED, "power.broken cannot on"),
        (ValueError("no such relay"), Code.INVALID_ARGUMENT, "no such relay"),
        (TimeoutError("the relay sleeps"), Code.DEADLINE_EXCEEDED, "power.broken did not answer 'on' in time"),
        (ConnectionRefusedError(111, "Connection refused"), Code.UNAVAILABLE, "Connection refused"),
        (FileNotFoundError(2, "No such file", "/dev/relay"), Code.INTERNAL, "No such file (/dev/relay)"),
        (KeyError("relay"), Code.UNKNOWN, "power.broken raised KeyError in 'on'"),
        (
            BenchError("the relay is stuck", help="hit it", said="E42\nstuck"),
            Code.UNKNOWN,
            "the relay is stuck\nhit it\nE42",
        ),
        (Busy("alice"), Code.FAILED_PRECONDITION, "the exporter is in use by alice\nwait for that lease to end"),
        (ExceptionGroup("several", [OSError(5, "Input/output error")]), Code.INTERNAL, "Input/output error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_each_error_of_a_driver_has_its_code_and_words(error: Exception, code: Any, words: str) -> None:
    refusal = await told(error)
    assert refusal.code is code
    assert words in refusal.what
    assert "Traceback" not in refusal.what


def test_a_defect_of_ours_is_told_by_its_name_only_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    refusal = refused(ZeroDivisionError("the secret is 42"))
    assert (refusal.code, refusal.what) == (Code.UNKNOWN, "the exporter failed with ZeroDivisionError")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info and isinstance(record.exc_info[1], ZeroDivisionError)


@pytest.mark.parametrize("character", ["x", "\n", "ü", "🔌"])
def test_a_long_text_keeps_its_beginning_and_its_end_and_fits_into_metadata(character: str) -> None:
    refusal = refused(BenchError("it failed", said=character * 100_000 + "the last words"))
    assert refusal.what.startswith("it failed")
    assert refusal.what.endswith("the last words")
    assert len(quote(refusal.what)) <= LONGEST


def test_an_answer_that_is_too_large_is_refused_before_it_is_sent() -> None:
    assert checked(to_value("x" * 1000))
    with pytest.raises(Refusal) as raised:
        checked(to_value("x" * MESSAGE_LIMIT))
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
