import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, cast

import anyio
import pytest

from flowrunner.bench.bench import Bench
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power

pytestmark = pytest.mark.anyio
Make = Callable[[str], Bench]

TWO = """\
export:
  outer:
    type: acme/switch
    config: {{name: outer, {outer}}}
    children:
      inner: {{type: acme/switch, config: {{name: inner, {inner}}}}}
  last: {{type: acme/switch, config: {{name: last, {last}}}}}
"""


def two(**breaks: str) -> str:
    return TWO.format(**{name: f"breaks: {breaks.get(name, 'no')}" for name in ("outer", "inner", "last")})


def power(bench: Bench, path: str = "last", **hooks: Any) -> Power:
    return cast("Power", bench.device(**hooks).at(path).client)


async def test_opens_children_first_and_closes_in_reverse(bench: Make, events: list[str]) -> None:
    async with bench(two()).opened():
        assert events == ["inner open", "outer open", "last open"]
    assert events[3:] == ["last close", "outer close", "inner close"]


async def test_making_a_bench_opens_nothing(bench: Make, events: list[str]) -> None:
    bench(two()).device()
    assert events == []


async def test_what_was_opened_is_closed_again_when_one_cannot_be_opened(bench: Make, events: list[str]) -> None:
    with pytest.raises(BenchError, match="no open today") as caught:
        async with bench(two(last="open")).opened():
            pytest.fail("it did open")
    assert (caught.value.driver, caught.value.call) == ("dut.last", "open")
    assert events == ["inner open", "outer open", "last open", "outer close", "inner close"]


async def test_all_are_closed_when_some_cannot_be_and_each_is_named(bench: Make, events: list[str]) -> None:
    with pytest.raises(BenchError, match=r"2 drivers broke: dut.outer.inner: no close today; dut.last: no close today"):
        async with bench(two(last="close", inner="close")).opened():
            pass
    assert events[3:] == ["last close", "outer close", "inner close"]


async def test_the_jobs_own_error_comes_first_and_comes_unwrapped(bench: Make, events: list[str]) -> None:
    with pytest.raises(ExpectationError, match="no prompt") as caught:
        async with bench(two(last="close")).opened():
            raise ExpectationError("no prompt")
    assert caught.value.__notes__ == ["and then: no close today"]
    assert len(events) == 6


async def test_cancelling_the_job_closes_in_order(bench: Make, events: list[str]) -> None:
    with anyio.CancelScope() as scope:
        async with bench(two()).opened():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert events[3:] == ["last close", "outer close", "inner close"]


async def test_a_driver_that_does_not_close_is_cancelled(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner.bench.keeper.CLOSE_LIMIT", 0.05)
    with anyio.fail_after(5), pytest.raises(BenchError, match=r"acme/switch did not close within 0.05s"):
        async with bench(two(outer="never")).opened():
            pass


async def test_a_driver_that_breaks_in_the_background_breaks_only_itself(bench: Make, events: list[str]) -> None:
    made = bench(two(outer="background"))
    with pytest.raises(BenchError, match="could not do 'keep open': Input/output error"):
        async with made.opened():
            await power(made, "last").on()
            await anyio.sleep(0.01)
            with pytest.raises(BenchError, match="Input/output error") as caught:
                await power(made, "outer").on()
            assert caught.value.driver == "dut.outer"
    assert events[-2:] == ["last close", "inner close"]


@pytest.mark.parametrize(
    ("breaks", "call", "says", "blame"),
    [
        ("off", "off", "acme/switch could not do 'off': No such device (/dev/ttyUSB7)", "device"),
        ("slow off", "off", "acme/switch did not answer 'off' in time", "device"),
        ("on", "on", "no on today", "device"),
        ("on, error: ValueError", "on", "acme/switch raised ValueError in 'on': no on today", "internal"),
    ],
)
async def test_an_error_says_which_driver_and_call(bench: Make, breaks: str, call: str, says: str, blame: str) -> None:
    made = bench(two(last=breaks))
    async with made.opened():
        with pytest.raises(BenchError, match=f"^{re.escape(says)}(\n|$)") as caught:
            await getattr(power(made), call)()
    assert (caught.value.driver, caught.value.call, caught.value.blame) == ("dut.last", call, blame)


async def test_an_error_in_the_middle_of_answers_is_completed_too(bench: Make) -> None:
    made = bench(two(last="read"))
    async with made.opened(), aclosing(cast("Any", power(made).read())) as readings:
        assert (await anext(readings)).voltage == 1
        with pytest.raises(BenchError, match="acme/switch raised KeyError in 'read': 'volts'"):
            await anext(readings)


async def test_what_a_driver_cannot_do_is_said_plainly(bench: Make) -> None:
    made = bench(two())
    async with made.opened():
        with pytest.raises(BenchError, match=r"^acme/switch cannot measure\n") as caught:
            async for _ in power(made).read():
                pass
    assert caught.value.blame == "config"


async def test_errors_of_a_stream_are_the_drivers_its_end_is_an_end_and_the_users_are_his(bench: Make) -> None:
    made = bench("export: {machine: {type: acme/board}}")
    uart = made.device().at("machine.uart").client
    assert isinstance(uart, Console)
    async with made.opened():
        async with uart.connect() as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            with pytest.raises(BenchError, match="could not do 'connect': Input/output error") as caught:
                await stream.send(b"break")
            assert caught.value.driver == "dut.machine.uart"
        with pytest.raises(ValueError, match="mine"):
            async with uart.connect():
                raise ValueError("mine")


async def test_a_guard_stops_calls_before_they_reach_the_driver(bench: Make, events: list[str]) -> None:
    made = bench(two())
    held = True

    def guard() -> None:
        if not held:
            raise BenchError("the lease was lost", blame="lost")

    client = power(made, guard=guard)
    async with made.opened():
        await client.on()
        held = False
        with pytest.raises(BenchError, match="the lease was lost"):
            await client.on()
    assert events.count("last on") == 1


async def test_each_call_is_reported_before_it_is_made(bench: Make, events: list[str]) -> None:
    calls: list[tuple[str, str, Mapping[str, Any], bool]] = []
    made = bench(two())
    client = power(made, on_call=lambda path, call, given: calls.append((path, call, given, "last on" in events)))
    async with made.opened():
        await client.on()
    assert calls == [("dut.last", "on", {}, False)]


async def test_it_can_be_cancelled_at_any_moment_of_opening(bench: Make, events: list[str]) -> None:
    for moment in range(60):
        with anyio.fail_after(5), anyio.move_on_after(moment * 0.0002):
            async with bench(two()).opened():
                await anyio.sleep(0.002)
    assert sum(event.endswith("open") for event in events) == sum(event.endswith("close") for event in events)
