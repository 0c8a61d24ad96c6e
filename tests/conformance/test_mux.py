"""What every storage mux does."""

from pathlib import Path

import pytest

from flowrunner.interfaces.storage import StorageMux
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


@over(StorageMux)
async def test_switching_twice_is_no_error(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        mux = bench.client(StorageMux, path)
        for switch in (mux.host, mux.host, mux.dut, mux.dut, mux.off, mux.off, mux.dut):
            await switch()
