from pathlib import Path

import pytest

from flowrunner.model import Duration
from flowrunner_steps.wait import Wait
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio


async def test_takes_as_long_as_asked(tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await Wait(duration=Duration(0.05)).run(context)
    assert 0.05 <= context.now() < 1
