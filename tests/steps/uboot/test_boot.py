"""Leaving real U-Boot."""

import pytest

from flowrunner.errors import ExpectationError
from flowrunner_steps.uboot.boot import Boot
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine


def test_ends_when_what_was_booted_speaks(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        outputs = await Boot(command="reset", started=r"U-Boot 20\d\d").run(context)
        assert outputs.line.startswith("U-Boot 20")

    uboot(work)


def test_a_prompt_that_comes_back_is_a_failure(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError, match="its prompt came back") as raised:
            await Boot(command="bootm 0x1000").run(context)
        assert raised.value.said

    uboot(work)
