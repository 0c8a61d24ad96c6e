"""Each adapter on a bench of this process and on a remote one."""

import asyncio
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import asyncssh
import pexpect
import pytest

from flowrunner.adapters.asyncssh import asyncssh_over
from flowrunner.adapters.dbus import dbus_on
from flowrunner.adapters.device import part
from flowrunner.adapters.fabric import fabric_over
from flowrunner.adapters.forward import tcp_port, udp_port, unix_socket
from flowrunner.adapters.novnc import novnc_on
from flowrunner.adapters.pexpect import pexpect_on
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.network import DbusNetwork, Network
from flowrunner.interfaces.ssh import Ssh
from flowrunner_drivers.console.process import ProcessConsole
from tests.flowrunner.adapters.conftest import Use

pytestmark = pytest.mark.anyio


async def test_pexpect_talks_on_a_console_and_sees_its_end(use: Use) -> None:
    async def work(dut: Device) -> None:
        async with pexpect_on(part(dut, Console), timeout=20) as child:

            def talk() -> None:
                child.expect("ready")
                child.sendline("one")
                assert child.expect(["got two", r"got (\w+)\r"]) == 1
                assert child.match[1] == b"one"
                child.sendline("quit")
                child.expect("got quit")
                child.expect(pexpect.EOF)

            await asyncio.to_thread(talk)

    await use(work)


async def test_pexpect_can_be_awaited_and_what_was_sent_last_arrives(use: Use, tmp_path: Path) -> None:
    async def work(dut: Device) -> None:
        async with pexpect_on(part(dut, Console), timeout=20, encoding="utf-8") as child:
            await child.expect("ready", async_=True)
            child.sendline("one")
            await child.expect("got one", async_=True)
            with pytest.raises(pexpect.TIMEOUT):
                await child.expect("never", timeout=0.1, async_=True)

    await use(work)


async def test_asyncssh_logs_in_through_a_network_with_what_the_login_shares(use: Use) -> None:
    async def work(dut: Device) -> None:
        port = part(dut, Network, "ssh.tcp")
        async with asyncssh_over(port, await part(dut, Ssh).shared()) as connection:
            assert (await connection.run("echo in; exit 3")).exit_status == 3
            listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
            listener.close()
        with pytest.raises(asyncssh.PermissionDenied):
            async with asyncssh_over(port, username="nobody", password="no"):
                pass

    await use(work)


async def test_fabric_runs_and_copies_through_a_network(use: Use, tmp_path: Path) -> None:
    async def work(dut: Device) -> None:
        login = await part(dut, Ssh).shared()
        options = {"key_filename": str(tmp_path / "sshd/client"), "allow_agent": False, "look_for_keys": False}
        async with fabric_over(
            part(dut, Network, "ssh.tcp"), user=login.username, connect_kwargs=options
        ) as connection:

            def talk() -> None:
                ran = connection.run("echo in; exit 3", hide=True, warn=True, in_stream=False)
                assert (ran.stdout, ran.exited) == ("in\n", 3)
                connection.put(str(tmp_path / "bench.yaml"), str(tmp_path / "copy"))

            await asyncio.to_thread(talk)
        assert (tmp_path / "copy").read_text() == (tmp_path / "bench.yaml").read_text()

    await use(work)


async def test_doors_lead_to_networks(use: Use) -> None:
    async def work(dut: Device) -> None:
        async with tcp_port(part(dut, Network, "echo")) as door, await anyio.connect_tcp(door.host, door.port) as end:
            await end.send(b"marco")
            assert await end.receive() == b"marco"
        async with unix_socket(part(dut, Network, "echo")) as door:
            assert door.path
            async with await anyio.connect_unix(door.path) as end:
                await end.send(b"marco")
                assert await end.receive() == b"marco"
        assert not door.path.exists()
        async with udp_port(part(dut, Network, "syslog")) as door:
            far = await anyio.create_connected_udp_socket(door.host, door.port)
            async with far:
                await far.send(b"polo")
                assert await far.receive() == b"polo"

    await use(work)


async def test_a_screen_is_a_page_for_this_machine_as_long_as_the_block_lasts(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/vnc.html").write_text("<title>noVNC</title>")
    monkeypatch.setenv("FLOW_NOVNC", str(tmp_path / "site"))

    async def work(dut: Device) -> None:
        async with novnc_on(part(dut, Network, "echo")) as url:
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read())
            assert page == b"<title>noVNC</title>"
        with pytest.raises(urllib.error.URLError, match="refused"):
            await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10))

    await use(work)


async def test_a_message_bus_is_that_of_the_process_for_a_block(use: Use) -> None:
    async def work(dut: Device) -> None:
        before = os.environ["DBUS_SESSION_BUS_ADDRESS"]
        async with dbus_on(part(dut, DbusNetwork)) as address:
            assert os.environ["DBUS_SESSION_BUS_ADDRESS"] == address != before
            done = await anyio.run_process(["busctl", "--user", "list", "--no-pager"], stderr=subprocess.STDOUT)
            assert b"org.freedesktop.DBus" in done.stdout
        assert os.environ["DBUS_SESSION_BUS_ADDRESS"] == before

    await use(work)


async def test_a_console_that_cannot_be_had_is_an_error() -> None:
    driver = ProcessConsole.make({"command": ["/no/such/program"]})
    assert isinstance(driver, Console)
    with pytest.raises(BenchError, match="no such command"):
        async with driver.opened(), pexpect_on(driver):
            pass
