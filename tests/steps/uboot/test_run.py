"""Commands at the prompt of real U-Boot."""

import pytest

from flowrunner.errors import BenchError, ExpectationError
from flowrunner_steps.uboot.run import Run
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine


def test_returns_what_a_command_printed_and_its_status(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        version = await Run(command="version").run(context)
        assert version.lines[0].startswith("U-Boot 20")
        assert version.exit == 0
        failed = await Run(command="test a = b", expect_exit="any").run(context)
        assert (failed.exit, failed.stdout) == (1, "")
        assert (await Run(command="false", expect_exit=1).run(context)).exit == 1
        several = await Run(command='setenv x three; echo one; echo "two  spaces" $x').run(context)
        assert several.lines == ["one", "two  spaces three"]

    uboot(work)


def test_a_command_that_fails_is_a_failure_with_its_words(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError, match="'nonsense' exited 1") as raised:
            await Run(command="nonsense").run(context)
        assert raised.value.said
        assert "Unknown command" in raised.value.said

    uboot(work)


def test_a_command_that_does_not_end_is_stopped_and_the_next_one_works(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError, match="not done within 500ms"):
            await Run(command="sleep 1000", within="500ms").run(context)
        assert (await Run(command="echo on").run(context)).stdout == "on"
        with pytest.raises(ExpectationError, match="not done within 500ms"):
            await Run(command="echo 'unfinished", within="500ms").run(context)
        assert (await Run(command="echo on").run(context)).stdout == "on"

    uboot(work)


def test_a_line_that_is_too_long_is_said_to_be(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(BenchError, match="did not take the line") as raised:
            await Run(command="echo " + "x" * 1200, within="30s").run(context)
        assert "CONFIG_SYS_CBSIZE" in (raised.value.help or "")

    uboot(work)


def test_a_command_of_several_lines_is_refused_when_it_is_read() -> None:
    with pytest.raises(ValueError, match="line ending"):
        Run(command="echo a\necho b")
