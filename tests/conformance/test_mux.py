"""What every storage mux does."""

from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.image.connected import connected
from flowrunner.interfaces.storage import StorageMux, StorageMuxFlasher
from tests.conformance.rigs import Rig, opened, over
from tests.conformance.test_flasher import Broken, Endless
from tests.support.machines import BytesImage

pytestmark = pytest.mark.anyio


@over(StorageMux)
async def test_switching_twice_is_no_error(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        mux = bench.client(StorageMux, path)
        for switch in (mux.host, mux.host, mux.dut, mux.dut, mux.off, mux.off, mux.dut):
            await switch()


async def refuses(mux: StorageMuxFlasher) -> None:
    """Check that it is neither written nor read where it is."""
    with pytest.raises(BenchError, match="the host") as error:
        await mux.flash(BytesImage(b"x"))
    assert error.value.blame == "config"
    with pytest.raises(BenchError, match="the host"):
        async for _ in mux.dump(length=1):
            pass


@over(StorageMuxFlasher)
async def test_a_medium_is_written_and_read_at_the_host_only(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        mux = bench.client(StorageMuxFlasher, path)
        for switch in (mux.dut, mux.off):
            await switch()
            await refuses(mux)
        await mux.host()
        await mux.flash(BytesImage(b"hello"))
        assert b"".join([piece async for piece in mux.dump(length=5)]) == b"hello"


@over(StorageMuxFlasher)
async def test_a_flash_that_fails_or_is_cancelled_ends_at_the_target(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        mux = bench.client(StorageMuxFlasher, path)
        with pytest.raises(BenchError, match="the image is damaged"):
            async with connected(mux):
                await mux.flash(Broken())
        await refuses(mux)
        with anyio.move_on_after(0.2) as limit:
            async with connected(mux):
                await mux.flash(Endless())
        assert limit.cancelled_caught
        await refuses(mux)
        async with connected(mux):
            await mux.flash(BytesImage(b"again"))
        await refuses(mux)
