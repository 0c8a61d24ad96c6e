"""One console, several readers."""

from __future__ import annotations

import anyio
import pytest

from flowrunner.console import shared
from flowrunner.console.shared import SharedConsole
from flowrunner.errors import BenchError
from tests.support.consoles import FedConsole
from tests.support.machines import read_until

pytestmark = pytest.mark.anyio


async def test_each_reader_gets_every_byte_and_all_may_type() -> None:
    inner = FedConsole()
    console = SharedConsole(inner)
    async with console.connect() as first, console.connect() as second:
        inner.feed(b"hello")
        assert await read_until(first, b"hello") == await read_until(second, b"hello") == b"hello"
        await first.send(b"a")
        await second.send(b"b")
    assert (inner.sent, inner.connections) == (b"ab", 1)


async def test_one_that_comes_later_gets_what_comes_from_then_on() -> None:
    inner = FedConsole()
    console = SharedConsole(inner)
    async with console.connect() as first:
        inner.feed(b"early")
        await read_until(first, b"early")
        async with console.connect() as second:
            inner.feed(b"late")
            assert await read_until(second, b"late") == b"late"
        inner.feed(b"alone")
        assert await read_until(first, b"alone") == b"latealone"
    async with console.connect():
        assert inner.connections == 2


async def test_the_end_is_the_end_for_all_and_the_next_one_opens_it_again() -> None:
    inner = FedConsole()
    console = SharedConsole(inner)
    async with console.connect() as first, console.connect() as second:
        inner.feed(b"last words")
        inner.break_off()
        for stream in (first, second):
            assert await read_until(stream, b"words") == b"last words"
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        async with console.connect() as third:
            inner.feed(b"again")
            assert await read_until(third, b"again") == b"again"


async def test_why_it_cannot_be_opened_is_told_to_who_asked() -> None:
    inner = FedConsole()
    inner.refuse = BenchError("no such port")
    with pytest.raises(BenchError, match="no such port"):
        async with SharedConsole(inner).connect():
            pass
    inner.refuse = None


async def test_a_reader_that_takes_nothing_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "KEPT", 4)
    monkeypatch.setattr(shared, "PATIENCE", 0.05)
    inner = FedConsole()
    console = SharedConsole(inner)
    async with console.connect() as idle, console.connect() as busy:
        for number in range(20):
            inner.feed(b"%02d;" % number)
        assert await read_until(busy, b"19;") == b"".join(b"%02d;" % number for number in range(20))
        assert (await read_until(idle, b"03;")).startswith(b"00;01;")


async def test_what_else_the_console_can_do_is_there() -> None:
    inner = FedConsole()
    SharedConsole(inner).break_off()
    assert inner._queue == [None]
