from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Duration
from flowrunner_drivers.ssh.client import SshClient
from flowrunner_steps.ssh.wait import Wait
from tests.support.context import RecordingContext
from tests.support.devices import device
from tests.support.sshd import keygen, prepared

pytestmark = [pytest.mark.anyio, pytest.mark.machine]


async def test_waits_for_a_boot_and_says_who_answered(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    driver = SshClient.make(server.config)
    try:
        async with driver.opened(), anyio.create_task_group() as tasks:

            async def boot() -> None:
                await anyio.sleep(0.5)
                server.start()

            tasks.start_soon(boot)
            out = await Wait(within=Duration(60)).run(RecordingContext(tmp_path, device(ssh=driver)))
    finally:
        server.kill()
    assert (out.host_key, out.username) == (server.host_key, server.config["username"])
    assert 0.5 <= out.seconds <= out.at < 60


async def test_a_device_that_stays_away_is_a_miss_that_says_why(tmp_path: Path) -> None:
    driver = SshClient.make({"host": "127.0.0.1", "port": 9})
    async with driver.opened():
        with pytest.raises(ExpectationError, match=r"no SSH login within 500ms: .* cannot be reached") as error:
            await Wait(within=Duration(0.5)).run(RecordingContext(tmp_path, device(ssh=driver)))
    assert error.value.cause == "timeout"


async def test_forgets_the_host_key_when_that_is_said(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    driver = SshClient.make(server.config)
    context = RecordingContext(tmp_path, device(ssh=driver))
    server.start()
    try:
        await server.listening()
        async with driver.opened():
            first = await Wait(within=Duration(60)).run(context)
            server.kill()
            for name in ("host", "host.pub", "log"):
                (server.folder / name).unlink()
            keygen(server.folder / "host")
            server.start()
            with pytest.raises(BenchError, match="before in this lease"):
                await Wait(within=Duration(60)).run(context)
            second = await Wait(within=Duration(60), forget=True).run(context)
    finally:
        server.kill()
    assert first.host_key != second.host_key
