"""What every screen with a keyboard and a mouse does."""

from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.screen import Screen
from tests.conformance.rigs import Bench, Rig, opened, over
from tests.support.machines import picture

pytestmark = pytest.mark.anyio


async def screen(bench: Bench, path: str) -> Screen:
    if bench.has(Power):
        await bench.client(Power).on()
    return bench.client(Screen, path)


@over(Screen)
async def test_its_picture_has_its_size(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        found = await screen(bench, path)
        with anyio.fail_after(20):  # a machine that starts changes it once or twice
            while picture(await found.snapshot()).size != tuple(await found.size()):
                await anyio.sleep(0.05)


@over(Screen)
async def test_keys_and_mouse_are_taken_one_after_the_other_and_beside_each_other(
    rig: Rig, path: str, tmp_path: Path
) -> None:
    async with opened(rig, tmp_path) as bench:
        found = await screen(bench, path)
        await found.type("Aa1!\n", pace=0)
        await found.press(["enter", "f12", "ctrl-alt-delete"], pace=0)
        await found.move(319, 199)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.click, 1, 2)
            tasks.start_soon(found.drag, 3, 4, 5, 6)
            tasks.start_soon(found.scroll, 7, 8, -1)
            tasks.start_soon(found.snapshot)


@over(Screen)
async def test_what_cannot_be_pressed_or_pointed_at_is_refused(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        found = await screen(bench, path)
        with pytest.raises(BenchError, match="there is no key 'entr'"):
            await found.press(["entr"])
        with pytest.raises(BenchError, match="is not on the screen"):
            await found.click(100_000, 3)


@over(Screen)
async def test_a_viewer_is_greeted_and_each_has_its_own(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        found = await screen(bench, path)
        async with found.connect() as first, found.connect() as second:
            for stream in (first, second):
                with anyio.fail_after(5):
                    assert (await stream.receive()).startswith(b"RFB 003.")
