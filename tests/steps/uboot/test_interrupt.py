"""Stopping the autoboot of real U-Boot."""

import pytest

from flowrunner.console.patterns import Line
from flowrunner.console.uboot import UbootShell
from flowrunner.errors import ExpectationError
from flowrunner_steps.uboot.interrupt import Interrupt
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine


def test_stops_the_countdown_and_leaves_a_clean_prompt(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        outputs = await Interrupt().run(context)
        assert 0 < outputs.at < 30
        ran = await UbootShell(context.console()).run("echo clean")
        assert (ran.text, ran.status) == ("clean", 0)

    uboot(work, interrupt=False)


def test_finds_a_prompt_that_is_there_already(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        await Interrupt(key="ctrl-c").run(context)
        assert (await UbootShell(context.console()).run("true")).status == 0

    uboot(work)


def test_stops_the_next_countdown_after_a_reset(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        await context.console().send(b"reset\r")
        await context.console().expect([Line("U-Boot 20")], within=20)
        await Interrupt().run(context)
        assert (await UbootShell(context.console()).run("true")).status == 0

    uboot(work)


def test_says_what_the_console_said_when_there_is_no_prompt(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError, match=r"prompt was not seen within 1\.5s") as raised:
            await Interrupt(prompt="MX8> ", within="1500ms", key="tab").run(context)
        assert raised.value.cause == "timeout"
        assert raised.value.said
        assert "U-Boot" in raised.value.said or "=>" in raised.value.said

    uboot(work, interrupt=False)
