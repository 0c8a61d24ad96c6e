from pathlib import Path

import pytest

from flowrunner_steps.storage import Storage
from tests.steps.test_flash import Muxed
from tests.support.context import RecordingContext
from tests.support.devices import device

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("to", ["host", "dut", "off"])
async def test_switches_the_mux(tmp_path: Path, to: str) -> None:
    mux = Muxed()
    await Storage.model_validate({"to": to}).run(RecordingContext(tmp_path, device(storage=mux)))
    assert mux.asked == [to]
