"""What every serial port does with its lines."""

from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.serial import SerialLines
from tests.conformance.rigs import Rig, over, running
from tests.support.machines import read_until

pytestmark = pytest.mark.anyio


@over(SerialLines)
async def test_what_it_cannot_do_it_says_and_the_console_goes_on(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (bench, stream):
        lines = bench.client(SerialLines, path)
        for attempt in (
            lines.set_dtr(True), lines.set_rts(True), lines.lines(), lines.send_break(0.01), lines.set_baudrate(115200)
        ):  # fmt: skip
            try:
                await attempt
            except BenchError as error:
                assert any(word in error.what for word in ("line", "break", "speed"))
        await stream.send(b"still here")
        assert await read_until(stream, b"still here") == b"still here"


@over(SerialLines)
async def test_a_speed_that_is_none_is_the_fault_of_the_config(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (bench, _):
        with pytest.raises(BenchError) as error:
            await bench.client(SerialLines, path).set_baudrate(-1)
    assert error.value.blame == "config"
