"""What every screen does."""

from pathlib import Path

import pytest

from flowrunner.interfaces.power import Power
from flowrunner.interfaces.video import Video
from tests.conformance.rigs import Rig, opened, over
from tests.support.machines import picture

pytestmark = pytest.mark.anyio


@over(Video)
async def test_shows_a_picture_again_and_again(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        if bench.has(Power):
            await bench.client(Power).on()
        for _ in range(3):
            frame = picture(await bench.client(Video, path).snapshot())
            assert frame.format in ("PNG", "JPEG")
            assert min(frame.size) > 0
            frame.load()
