from pathlib import Path

import pytest

from flowrunner_steps.stop import Stop
from tests.support.context import RecordingContext, Stopped

pytestmark = pytest.mark.anyio


async def test_stops_with_its_outcome_and_message(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="passed: nothing to do"):
        await Stop(outcome="passed", message="nothing to do").run(RecordingContext(tmp_path))
