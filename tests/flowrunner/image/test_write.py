import os
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.errors import BenchError
from flowrunner.image import Medium, open_image, write_image
from flowrunner.interfaces.storage import Extent, Image, Written
from tests.flowrunner.image.conftest import MIB, PACKERS, SUFFIX, SparseImage
from tests.support.loops import loop, needs_root, small_disk

pytestmark = pytest.mark.anyio


class Given(Image):
    """An image from elsewhere, as one that comes over the network."""

    def __init__(self, size: int | None, *extents: Extent) -> None:
        self.name = "given.img"
        self.size = size
        self._extents = extents

    async def extents(self) -> AsyncIterator[Extent]:
        for extent in self._extents:
            yield extent


async def write(image: Image, path: Path, capacity: int | None = None) -> Written:
    handle = os.open(path, os.O_RDWR | (0 if path.is_block_device() else os.O_CREAT))
    try:
        return await write_image(image, Medium(handle, path.name, capacity))
    finally:
        os.close(handle)


@pytest.mark.parametrize("pack", [None, *PACKERS])
@pytest.mark.parametrize("before", [None, b"\xff" * 100, b"\xff" * 9 * MIB])
async def test_a_file_becomes_the_image_with_its_holes(
    image: SparseImage, pack: str | None, before: bytes | None, tmp_path: Path
) -> None:
    source = image.path
    if pack:
        source = tmp_path / f"image{SUFFIX[pack]}"
        source.write_bytes(PACKERS[pack](image.content))
    target = tmp_path / "target"
    if before:
        target.write_bytes(before)
    async with open_image(source, base=tmp_path) as opened:
        written = await write(opened, target)
    assert target.read_bytes() == image.content
    assert written.size == 8 * MIB
    assert 340_000 < written.written < 500_000
    assert target.stat().st_blocks * 512 < 600_000


async def test_a_file_of_a_fixed_size_keeps_what_is_behind_the_image(image: SparseImage, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"\xff" * 10 * MIB)
    async with open_image(image.path, base=tmp_path) as opened:
        await write(opened, target, 10 * MIB)
    assert target.read_bytes() == image.content + b"\xff" * 2 * MIB


@needs_root
@pytest.mark.parametrize("pack", [None, "zstd"])
async def test_a_device_gets_zeros_where_the_image_has_them_and_keeps_the_rest(
    image: SparseImage, pack: str | None, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(PACKERS[pack](image.content) if pack else image.content)
    with loop(tmp_path / "medium", 9 * MIB) as device:
        async with open_image(source, base=tmp_path) as opened:
            await write(opened, device)
        assert device.read_bytes() == image.content + b"\xaa" * MIB


@needs_root
async def test_what_a_block_map_leaves_out_stays_on_a_device(tmp_path: Path) -> None:
    with loop(tmp_path / "medium", MIB) as device:
        await write(Given(MIB, Extent(4096, 4096, b"x" * 4096), Extent(12288, 100, None)), device)
        found = device.read_bytes()
    assert found[:4096] == b"\xaa" * 4096
    assert found[4096:8192] == b"x" * 4096
    assert found[12288:12388] == bytes(100)
    assert found[12388:] == b"\xaa" * (MIB - 12388)


@needs_root
async def test_an_image_larger_than_the_device_is_refused_before_anything_is_written(
    image: SparseImage, tmp_path: Path
) -> None:
    with loop(tmp_path / "medium", MIB) as device:
        async with open_image(image.path, base=tmp_path) as opened:
            with pytest.raises(BenchError, match=rf"is larger than '{device.name}', which has 1MiB") as error:
                await write(opened, device)
        assert device.read_bytes() == b"\xaa" * MIB
    assert error.value.blame == "device"


async def test_a_packed_image_larger_than_the_medium_is_an_error(image: SparseImage, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(PACKERS["xz"](image.content))
    async with open_image("x", base=tmp_path) as opened:
        with pytest.raises(BenchError, match=r"is larger than 'target', which has 4MiB \(4194304 bytes\)"):
            await write(opened, tmp_path / "target", 4 * MIB)


@needs_root
@pytest.mark.parametrize("pack", [None, "xz"])
async def test_a_full_disk_is_the_fault_of_the_host(tmp_path: Path, pack: str | None) -> None:
    data = os.urandom(2 * MIB)
    (tmp_path / "source").write_bytes(PACKERS[pack](data) if pack else data)
    with small_disk(tmp_path / "disk", MIB) as disk:
        async with open_image("source", base=tmp_path) as opened:
            with pytest.raises(BenchError, match=r"'target' could not grow after .* of data: No space left") as error:
                await write(opened, disk / "target")
    assert error.value.blame == "infra"


async def test_a_damaged_image_is_named_not_the_medium(image: SparseImage, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(PACKERS["gz"](image.content)[:-10])
    async with open_image("short", base=tmp_path) as opened:
        with pytest.raises(BenchError, match="short' is truncated"):
            await write(opened, tmp_path / "target")


@st.composite
def layouts(draw: st.DrawFn) -> list[tuple[int, int, str]]:
    """Ascending runs: gap before, length, what it holds."""
    run = st.tuples(
        st.integers(0, 20_000), st.integers(1, 150_000), st.sampled_from(["data", "zeros", "hole", "mixed"])
    )
    return draw(st.lists(run, min_size=1, max_size=6))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=layouts(), capacity=st.booleans(), foreign=st.booleans(), pack=st.sampled_from([None, "gz", "zstd"]))
async def test_any_image_is_written_as_it_is(
    layout: list[tuple[int, int, str]], capacity: bool, foreign: bool, pack: str | None, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    content, extents = bytearray(), []
    with source.open("wb") as file:
        for gap, length, kind in layout:
            content += bytes(gap)
            data = bytes(length) if kind in ("zeros", "hole") else random.randbytes(length)
            if kind == "mixed":
                data = data[: length // 2] + bytes(length - length // 2)
            extents.append(Extent(len(content), length, None if kind == "hole" else data))
            file.seek(len(content) if kind != "hole" else len(content) + length)
            file.write(data if kind != "hole" else b"")
            content += data
        file.truncate(len(content))
    if pack:
        source.write_bytes(PACKERS[pack](bytes(content)))
    target.write_bytes(b"" if foreign else b"\xff" * 500_000)
    size = 2_000_000 if capacity else None
    if foreign:
        await write(Given(len(content), *extents), target, size)
    else:
        async with open_image(source, base=tmp_path) as opened:
            await write(opened, target, size)
    found = target.read_bytes()
    assert found[: len(content)] == content
    assert len(found) == (size or len(content))


async def test_cancelling_stops_the_writing(tmp_path: Path) -> None:
    (tmp_path / "zeros.xz").write_bytes(PACKERS["xz"](bytes(64 * MIB)))
    with anyio.move_on_after(0.03) as limit:
        async with open_image("zeros.xz", base=tmp_path) as opened:
            await write(opened, tmp_path / "target")
    assert limit.cancelled_caught
    assert not [thread for thread in threading.enumerate() if thread.name == "flowrunner-image"]
    assert (tmp_path / "target").stat().st_size < 64 * MIB
