import os

import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.storage import Flasher
from flowrunner_drivers.storage.virtual_flasher import VirtualFlasher
from tests.support.machines import BytesImage

pytestmark = pytest.mark.anyio


def made(**config: object) -> tuple[VirtualFlasher, Flasher]:
    driver = VirtualFlasher.make(config)
    assert isinstance(driver, VirtualFlasher)
    return driver, Flasher.client(Direct(driver))


async def dump(flasher: Flasher, target: str | None = None, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in flasher.dump(target, length)])


async def test_keeps_its_partitions_apart() -> None:
    driver, flasher = made()
    content = {target: os.urandom(2_500_000) for target in (None, "root", "../boot")}
    async with driver.opened():
        for target, data in content.items():
            await flasher.flash(BytesImage(data), target)
        await flasher.flash(BytesImage(b"short"), "root")
        assert await dump(flasher) == await dump(flasher, "default") == content[None]
        assert await dump(flasher, "root") == b"short"
        assert await dump(flasher, "../boot", 7) == content["../boot"][:7]


async def test_what_was_never_flashed_cannot_be_dumped() -> None:
    driver, flasher = made()
    async with driver.opened():
        await flasher.flash(BytesImage(b"x"), "root")
        with pytest.raises(BenchError, match="nothing was flashed to the virtual partition 'boot'"):
            await dump(flasher, "boot")
        with pytest.raises(BenchError, match="has only 1B, 2B were asked for"):
            await dump(flasher, "root", 2)


async def test_says_which_partitions_there_are() -> None:
    driver, flasher = made(targets=["root", "boot"], size="1KiB")
    async with driver.opened():
        with pytest.raises(BenchError, match="has no target 'rot'") as error:
            await flasher.flash(BytesImage(b"x"), "rot")
        assert error.value.help == "did you mean 'root'?"
        with pytest.raises(BenchError, match="is larger than"):
            await flasher.flash(BytesImage(bytes(1025)), "boot")
