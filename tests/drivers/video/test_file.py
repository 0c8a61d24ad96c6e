from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.video import Video
from flowrunner_drivers.video.file import FileVideo

pytestmark = pytest.mark.anyio


async def frames(path: Path, count: int, **config: bool) -> list[bytes]:
    driver = FileVideo.make({"path": str(path), **config})
    async with driver.opened():
        client = Video.client(Direct(driver))  # type: ignore[arg-type]
        return [await client.snapshot() for _ in range(count)]


async def test_shows_a_file_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    driver = FileVideo.make({"path": str(file)})
    async with driver.opened():
        client = Video.client(Direct(driver))  # type: ignore[arg-type]
        assert await client.snapshot() == b"one"
        file.write_bytes(b"two")
        assert await client.snapshot() == b"two"
        file.unlink()
        with pytest.raises(BenchError, match="there is no picture"):
            await client.snapshot()


async def test_shows_a_folders_pictures_in_turn(tmp_path: Path) -> None:
    for name in ("2.JPG", "1.png", "notes.txt", "3.jpeg"):
        (tmp_path / name).write_text(name)
    assert await frames(tmp_path, 4) == [b"1.png", b"2.JPG", b"3.jpeg", b"1.png"]
    assert await frames(tmp_path, 5, loop=False) == [b"1.png", b"2.JPG", b"3.jpeg", b"3.jpeg", b"3.jpeg"]


async def test_says_at_once_when_there_is_nothing_to_show(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "there is no picture in"), (tmp_path / "gone.png", "there is no picture '")):
        with pytest.raises(BenchError, match=message) as caught:
            await frames(path, 0)
        assert caught.value.blame == "config"
