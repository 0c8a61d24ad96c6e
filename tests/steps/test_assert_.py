from pathlib import Path

import pytest
from pydantic import ValidationError

from flowrunner.errors import ExpectationError
from flowrunner_steps.assert_ import Assert
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio


async def test_passes_what_is_true(tmp_path: Path) -> None:
    await Assert(that=True).run(RecordingContext(tmp_path))


async def test_says_the_message_when_it_is_false(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match=r"^a release candidate was flashed$"):
        await Assert(that=False, message="a release candidate was flashed").run(RecordingContext(tmp_path))


@pytest.mark.parametrize("value", ["true", 1, [], None])
def test_knows_no_truthiness(value: object) -> None:
    with pytest.raises(ValidationError, match="valid boolean"):
        Assert.model_validate({"that": value})
