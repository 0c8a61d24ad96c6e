"""The run's clock, on a loop whose time jumps."""

import asyncio

import pytest

from flowrunner.engine.clock import Clock
from flowrunner.replay.clock import run_virtual


def test_counts_from_its_start_as_the_loop_that_it_is_made_in_does() -> None:
    async def look() -> list[float]:
        await asyncio.sleep(7)
        clock = Clock()
        found = [clock.now()]
        await asyncio.sleep(3600)
        return [float(time) for time in (*found, clock.now(), clock.since_start(asyncio.get_running_loop().time()))]

    assert run_virtual(look) == pytest.approx([0, 3600, 3600])


def test_goes_on_from_where_an_earlier_run_stopped() -> None:
    async def look() -> float:
        clock = Clock(offset=40)
        await asyncio.sleep(2)
        return float(clock.now())

    assert run_virtual(look) == pytest.approx(42)


def test_belongs_to_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Clock()
