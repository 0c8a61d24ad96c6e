"""DHCP at the prompt of real U-Boot."""

import pytest

from flowrunner.console.uboot import UbootShell
from flowrunner.errors import ExpectationError
from flowrunner_steps.uboot.dhcp import Dhcp
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine


def test_gets_an_address_and_leaves_autoload_as_it_was(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        shell = UbootShell(context.console())
        await shell.set("autoload", "yes")
        found = await Dhcp().run(context)
        assert (found.ip, found.netmask) == ("10.0.2.15", "255.255.255.0")
        assert await shell.get("autoload") == "yes"

    uboot(work)


def test_silence_is_a_failure_that_says_so(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        with pytest.raises(ExpectationError) as raised:
            await Dhcp(tries=1, within="6s").run(context)
        assert "BOOTP broadcast" in (raised.value.said or "")

    uboot(work, network="socket,id=n0,udp=127.0.0.1:9,localaddr=127.0.0.1:0")
