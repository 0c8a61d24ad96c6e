from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.interfaces.video import Video
from flowrunner_drivers.video.file import FileVideo
from flowrunner_steps.snapshot import Snapshot
from tests.support.context import RecordingContext
from tests.support.devices import device

pytestmark = pytest.mark.anyio


def screen(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A blue picture with a white box, and more boxes."""
    picture = Image.new("RGB", size, (0, 0, 160))
    for box in ((20, 20, 90, 60), *boxes):
        ImageDraw.Draw(picture).rectangle(box, fill=(255, 255, 255))
    return picture


def save(picture: Image.Image, path: Path) -> bytes:
    path.parent.mkdir(exist_ok=True)
    out = BytesIO()
    picture.save(out, "JPEG" if path.suffix == ".jpg" else "PNG")
    path.write_bytes(out.getvalue())
    return out.getvalue()


def bench(folder: Path, *frames: Image.Image, kind: str = "png") -> RecordingContext:
    """A context whose screen shows `frames` in turn, the last one for ever."""
    for number, frame in enumerate(frames):
        save(frame, folder / "frames" / f"{number}.{kind}")
    video = FileVideo.make({"path": str(folder / "frames"), "loop": False})
    return RecordingContext(folder, device(screen=video))


def golden(folder: Path, picture: Image.Image, name: str = "menu") -> Path:
    save(picture, folder / "snapshots" / f"{name}.png")
    return folder / "snapshots" / f"{name}.png"


@pytest.mark.parametrize("hash", ["average", "phash", "dhash", "whash", "colorhash", "pixels"])
async def test_passes_the_same_screen_and_fails_another_one_with_every_hash(tmp_path: Path, hash: str) -> None:
    golden(tmp_path, screen())
    context = bench(tmp_path, screen(), Image.new("RGB", (160, 120), (200, 0, 0)))
    step = Snapshot.model_validate({"name": "menu", "hash": hash, "tolerance": 0})
    assert (await step.run(context)).distance == 0
    with pytest.raises(ExpectationError, match=r"the screen differs from 'snapshots/menu\.png' by \d+ "):
        await step.run(context)
    assert [told["verdict"] for told in context.told.snapshots] == ["passed", "failed"]


async def test_a_miss_keeps_golden_actual_and_diff_with_the_run(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    changed = screen((100, 80, 119, 99))
    context = bench(tmp_path, changed)
    context.environment["FLOW_RUN_DIR"] = str(tmp_path)
    with pytest.raises(ExpectationError) as caught:
        await Snapshot(name="menu", hash="pixels", tolerance=10).run(context)
    assert caught.value.what == "the screen differs from 'snapshots/menu.png' by 400 pixels, 10 allowed"
    assert caught.value.help == "look at artifacts/menu-actual.png; if it is right: flow run --update-snapshots"
    assert context.told.snapshots == [
        {
            "name": "menu",
            "golden": "artifacts/menu-golden.png",
            "actual": "artifacts/menu-actual.png",
            "diff": "artifacts/menu-diff.png",
            "distance": 400,
            "tolerance": 10,
            "verdict": "failed",
        }
    ]
    with Image.open(tmp_path / "artifacts/menu-diff.png") as diff:
        red = Image.new("L", diff.size)
        red.putdata([255 if pixel == (255, 0, 0) else 0 for pixel in diff.convert("RGB").get_flattened_data()])
        assert red.getbbox() == (100, 80, 120, 100)


async def test_a_difference_within_the_tolerance_passes_without_a_diff(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    context = bench(tmp_path, screen((100, 80, 101, 81)))
    outputs = await Snapshot(name="menu", hash="pixels", tolerance=4).run(context)
    assert outputs.distance == 4
    assert Path(outputs.path).name == "menu-actual.png"
    assert context.told.snapshots[0]["diff"] is None


async def test_a_camera_with_jpeg_noise_is_the_same_by_perceptual_hash(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    context = bench(tmp_path, screen(), kind="jpg")
    outputs = await Snapshot(name="menu", hash="phash", tolerance=4).run(context)
    assert Path(outputs.path).suffix == ".jpg"


@pytest.mark.parametrize("ci", [True, False])
async def test_a_missing_golden_fails_everywhere_and_keeps_what_was_seen(tmp_path: Path, ci: bool) -> None:
    context = bench(tmp_path, screen())
    context.ci = ci
    with pytest.raises(ExpectationError, match=r"there is no golden 'snapshots/menu\.png'") as caught:
        await Snapshot(name="menu").run(context)
    assert caught.value.help == "write it: flow run --update-snapshots"
    assert not (tmp_path / "snapshots").exists()
    assert [path.name for path in context.told.artifacts] == ["menu-actual.png"]


@pytest.mark.parametrize("old", [None, screen((100, 80, 119, 99))])
async def test_writes_the_golden_only_when_told(tmp_path: Path, old: Image.Image | None) -> None:
    if old:
        golden(tmp_path, old, "sub")
    context = bench(tmp_path, screen(), kind="jpg")
    context.update_snapshots = True
    await Snapshot(name="sub").run(context)
    assert context.told.snapshots[0]["verdict"] == "updated"
    context.update_snapshots = False
    assert (await Snapshot(name="sub", hash="pixels", tolerance=0).run(context)).distance == 0
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == ["sub.png"]


async def test_compares_only_a_region_and_not_what_is_masked(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    clock = screen((140, 0, 159, 9))
    for keys in ({"region": (0, 10, 160, 110)}, {"mask": [(140, 0, 20, 10)]}):
        context = bench(tmp_path, clock)
        step = Snapshot.model_validate({"name": "menu", "hash": "pixels", "tolerance": 0, **keys})
        assert (await step.run(context)).distance == 0
    with pytest.raises(BenchError, match=r"the region \[100, 0, 100, 10\] is not inside the picture of 160x120"):
        await Snapshot(name="menu", region=(100, 0, 100, 10)).run(bench(tmp_path, clock))


async def test_looks_again_until_the_screen_has_settled(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    moving = [Image.new("RGB", (160, 120)), Image.new("RGB", (160, 120), (9, 9, 9)), screen()]
    step = {"name": "menu", "hash": "pixels", "tolerance": 0}
    context = bench(tmp_path, *moving)
    assert (await Snapshot.model_validate(step | {"within": "5s"}).run(context)).distance == 0
    with pytest.raises(ExpectationError):
        await Snapshot.model_validate(step).run(bench(tmp_path, *moving))


async def test_pictures_of_other_sizes_differ_in_every_pixel(tmp_path: Path) -> None:
    golden(tmp_path, screen())
    with pytest.raises(ExpectationError, match=r"by 30000 pixels"):
        await Snapshot(name="menu", hash="pixels").run(bench(tmp_path, screen(size=(200, 150))))


async def test_says_which_picture_cannot_be_read(tmp_path: Path) -> None:
    golden(tmp_path, screen()).write_bytes(b"<svg/>")
    with pytest.raises(BenchError, match="the golden is no picture") as caught:
        await Snapshot(name="menu").run(bench(tmp_path, screen()))
    assert caught.value.blame == "config"
    golden(tmp_path, screen())
    context = bench(tmp_path, screen())
    (tmp_path / "frames/0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BenchError, match="what the screen gave is no picture") as caught:
        await Snapshot(name="menu").run(context)
    assert caught.value.blame == "device"


async def test_compares_a_text_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots/modules.txt").write_text("ext4\nvirtio_blk\n")
    context = RecordingContext(tmp_path)
    assert (await Snapshot(name="modules", text="ext4\r\nvirtio_blk").run(context)).distance == 0
    with pytest.raises(ExpectationError, match=r"the text differs from 'snapshots/modules\.txt' by 1 line, 0 allowed"):
        await Snapshot(name="modules", text="ext4\nvirtio_net\n").run(context)
    diff = next(path for path in context.told.artifacts if path.suffix == ".diff").read_text()
    assert "-virtio_blk\n+virtio_net\n" in diff
    assert (await Snapshot(name="modules", text="ext4\nvirtio_net", tolerance=1).run(context)).distance == 1


async def test_writes_a_text_golden(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    context.update_snapshots = True
    await Snapshot(name="lib/modules", text="ext4").run(context)
    assert (tmp_path / "snapshots/lib/modules.txt").read_text() == "ext4\n"


async def test_a_missing_imagehash_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden(tmp_path, screen())
    monkeypatch.setitem(__import__("sys").modules, "imagehash", None)
    with pytest.raises(BenchError, match="comparing pictures by average needs the package 'imagehash'") as caught:
        await Snapshot(name="menu").run(bench(tmp_path, screen()))
    assert caught.value.help == "pip install 'flowrunner[images]', or use hash: pixels"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "../x"}, "pattern"),
        ({"name": "/x"}, "pattern"),
        ({"name": "x", "hash": "whash", "hash_size": 6}, "whash needs a hash_size that is a power of two, got 6"),
        ({"name": "x", "region": [0, 0, 0, 5]}, r"needs \[left, top, width, height\]"),
        ({"name": "x", "tolerance": -1}, "greater than or equal to 0"),
        ({"name": "x", "hash": "md5"}, "'average', 'phash'"),
    ],
)
def test_refuses_parameters_that_cannot_work(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Snapshot.model_validate(keys)


def test_needs_a_screen_but_for_a_text() -> None:
    assert Snapshot.wants({"name"}) == (Video,)
    assert Snapshot.wants({"name", "text"}) == ()
