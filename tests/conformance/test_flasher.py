"""What every flasher does."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.interfaces.storage import Extent, Flasher, Image
from tests.conformance.rigs import Rig, opened, over
from tests.support.machines import BytesImage

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(50_000) + bytes(300_000) + os.urandom(70_000)


async def dump(flasher: Flasher, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in flasher.dump(length=length)])


@over(Flasher)
@pytest.mark.parametrize("size_known", [True, False])
async def test_holds_what_was_flashed(rig: Rig, path: str, tmp_path: Path, size_known: bool) -> None:
    async with opened(rig, tmp_path) as bench:
        flasher = await bench.medium(path)
        written = await flasher.flash(BytesImage(CONTENT, size_known=size_known))
        assert written.size == len(CONTENT)
        assert written.written < len(CONTENT) - 200_000
        assert await dump(flasher, len(CONTENT)) == CONTENT
        assert (await dump(flasher))[: len(CONTENT)] == CONTENT


@over(Flasher)
async def test_zeros_replace_what_was_there(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        flasher = await bench.medium(path)
        await flasher.flash(BytesImage(b"\xff" * 400_000))
        await flasher.flash(BytesImage(CONTENT))
        assert await dump(flasher, len(CONTENT)) == CONTENT


@over(Flasher)
async def test_takes_an_image_of_this_process(rig: Rig, path: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    async with opened(rig, tmp_path) as bench, open_image("image", base=tmp_path) as image:
        flasher = await bench.medium(path)
        await flasher.flash(image)
        assert await dump(flasher, len(CONTENT)) == CONTENT


@over(Flasher)
async def test_a_dump_gives_as_much_as_asked_and_can_be_left(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        flasher = await bench.medium(path)
        await flasher.flash(BytesImage(CONTENT))
        assert await dump(flasher, 0) == b""
        assert await dump(flasher, 1) == CONTENT[:1]
        async with aclosing(cast("AsyncGenerator[bytes]", flasher.dump())) as pieces:
            await anext(pieces)
        assert await dump(flasher, 12345) == CONTENT[:12345]


@over(Flasher)
async def test_a_target_it_does_not_have_is_the_fault_of_the_config(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        flasher = await bench.medium(path)
        for attempt in (flasher.flash(BytesImage(b"x"), "no-such-target"), _dump(flasher, "no-such-target")):
            with pytest.raises(BenchError, match="no-such-target") as error:
                await attempt
            assert error.value.blame == "config"


async def _dump(flasher: Flasher, target: str) -> None:
    async for _ in flasher.dump(target):
        pass


class Broken(Image):
    """An image that cannot be read to its end."""

    name = "broken.img"
    size = 8192

    async def extents(self) -> AsyncIterator[Extent]:
        yield Extent(0, 4096, b"x" * 4096)
        raise BenchError("the image is damaged", blame="config")


class Endless(Image):
    """An image that stops coming."""

    name = "endless.img"
    size = 8192

    async def extents(self) -> AsyncIterator[Extent]:
        yield Extent(0, 4096, b"x" * 4096)
        await anyio.sleep_forever()


@over(Flasher)
async def test_a_broken_and_a_cancelled_flash_leave_it_usable(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        flasher = await bench.medium(path)
        with pytest.raises(BenchError, match="the image is damaged"):
            await flasher.flash(Broken())
        with anyio.move_on_after(0.1) as limit:
            await flasher.flash(Endless())
        assert limit.cancelled_caught
        await flasher.flash(BytesImage(CONTENT))
        assert await dump(flasher, len(CONTENT)) == CONTENT
