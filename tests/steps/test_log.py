from pathlib import Path

import pytest

from flowrunner_steps.log import Log
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio


async def test_says_it_at_its_level(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await Log(message="flashing").run(context)
    await Log(message="slow board", level="warning").run(context)
    assert context.told.logs == [("info", "flashing"), ("warning", "slow board")]
