"""What Jumpstarter's exporter says of itself while we use it: its hooks, its end."""

from __future__ import annotations

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.client.remote import LogLine
from flowrunner.remote.wire import messages, services
from tests.flowrunner.remote.peer.conftest import part, used
from tests.support.peers import peer

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

POWER = "export: {power: {type: jumpstarter_driver_power.driver.MockPower}}\n"
SLEEPER = "export: {shell: {type: jumpstarter_driver_shell.driver.Shell, config: {methods: {sleep: 'echo begun; sleep 1000'}}}}\n"


async def test_a_hook_is_waited_for_and_its_words_are_told() -> None:
    log: list[LogLine] = []
    with peer("hooks: {beforeLease: {script: 'sleep 1; echo the board is warm', timeout: 30}}\n" + POWER) as theirs:
        async with used(theirs.tcp, log) as lease:
            said = {line.message: line.source for line in log}
            await part(lease, "power", Power).on()
    assert said["the board is warm"] == "before_lease"


async def test_a_hook_that_failed_is_told_with_what_it_said() -> None:
    log: list[LogLine] = []
    hook = "hooks: {beforeLease: {script: 'echo no board; exit 3', timeout: 30, onFailure: endLease}}\n"
    failed = pytest.raises(BenchError, match=r"hook before the lease failed: .*exit code 3")
    with peer(hook + POWER) as theirs, failed as raised:
        async with used(theirs.tcp, log):
            raise AssertionError("it is not to be used")
    assert raised.value.blame == "infra"
    assert any(line.message == "no board" for line in log)


async def test_an_exporter_that_dies_is_lost_and_says_so_in_each_call() -> None:
    with peer(SLEEPER) as theirs:
        async with used(theirs.tcp, grace=1) as lease:
            shell = part(lease, "shell", Shell)
            with pytest.raises(BenchError, match=r"connection to .* was lost") as running:
                async for piece in shell.call_method("sleep"):
                    assert piece.stdout == b"begun\n"
                    theirs.kill()
            with anyio.fail_after(10):
                await lease.lost.wait()
            with pytest.raises(BenchError, match=r"was not heard of for 1s: Connection refused") as later:
                await shell.get_methods()
        theirs.process.wait()
    assert (running.value.blame, later.value.blame) == ("infra", "lost")


async def test_somebody_who_ends_the_session_ends_our_lease() -> None:
    with peer(POWER) as theirs:
        async with used(theirs.tcp) as lease, opened_channel(theirs.tcp) as channel:
            await services.ExporterServiceStub(channel).EndSession(messages.EndSessionRequest())
            with anyio.fail_after(10):
                await lease.lost.wait()
            assert lease.reason == "the session at the exporter was ended by somebody"
            lease.draining = True
            await part(lease, "power", Power).off()
