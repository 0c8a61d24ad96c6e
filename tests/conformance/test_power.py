"""What every power switch does."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.interfaces.power import Power, PowerReading
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


@over(Power)
async def test_switching_twice_is_no_error(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        power = bench.client(Power, path)
        for switch in (power.off, power.on, power.on, power.off, power.off, power.on):
            await switch()


@over(Power)
async def test_cycles_from_on_and_from_off(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        power = bench.client(Power, path)
        await power.cycle(off_for=0)
        await power.cycle(off_for=0)
        await power.off()


@over(Power)
async def test_a_reading_can_be_left_and_begun_again_or_says_that_it_cannot(
    rig: Rig, path: str, tmp_path: Path
) -> None:
    async with opened(rig, tmp_path) as bench:
        power = bench.client(Power, path)
        await power.on()
        for _ in range(2):
            try:
                with anyio.fail_after(5):
                    async with aclosing(cast("AsyncGenerator[PowerReading]", power.read())) as readings:
                        assert isinstance(await anext(readings), PowerReading)
            except NotImplementedError:
                continue


@over(Power)
async def test_closing_it_while_on_leaves_it_to_open_again(rig: Rig, path: str, tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with opened(rig, folder) as bench:
            await bench.client(Power, path).on()
