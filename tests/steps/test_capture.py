from pathlib import Path

import pytest
from PIL import Image

from flowrunner_drivers.video.file import FileVideo
from flowrunner_steps.capture import Capture
from tests.support.context import RecordingContext
from tests.support.devices import device

pytestmark = pytest.mark.anyio


def context(folder: Path, *names: str) -> RecordingContext:
    (folder / "frames").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(folder / "frames" / name)
    return RecordingContext(folder, device(screen=FileVideo.make({"path": str(folder / "frames")})))


async def test_keeps_one_picture_as_it_came(tmp_path: Path) -> None:
    bench = context(tmp_path, "a.jpg")
    outputs = await Capture(name="menu").run(bench)
    assert outputs.files == ["menu.jpg"]
    assert bench.told.artifacts[0].read_bytes() == (tmp_path / "frames/a.jpg").read_bytes()


async def test_keeps_several_in_a_row(tmp_path: Path) -> None:
    bench = context(tmp_path, "a.png", "b.png", "c.png")
    outputs = await Capture.model_validate({"name": "boot", "count": 10, "interval": "1ms"}).run(bench)
    assert outputs.files[:3] == ["boot-01.png", "boot-02.png", "boot-03.png"]
    assert len({path.read_bytes() for path in bench.told.artifacts}) == 3
    assert bench.told.progress[-1] == (10, 10, "pictures")
    assert outputs.at >= 0.009


async def test_a_name_can_be_used_again(tmp_path: Path) -> None:
    bench = context(tmp_path, "a.png")
    for expected in ("screen.png", "screen-2.png"):
        assert (await Capture().run(bench)).files == [expected]
