"""A bench with all that the adapters are for: opened by the test itself, or served by an exporter."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from flowrunner.adapters.device import device
from flowrunner.device import Device
from flowrunner.lab.access import Access
from tests.support.exporters import served
from tests.support.far_ends import message_bus, tcp_echo, udp_echo
from tests.support.sshd import sshd

BENCH = """
metadata: {{name: desk}}
export:
  power: {{type: power.command, config: {{"on": "touch {folder}/lamp", "off": "rm -f {folder}/lamp"}}}}
  console: {{type: console.process, config: {{command: [sh, -c, "stty -echo; echo ready; while read line; do echo got $line; [ $line = quit ] && exit; done"]}}}}
  echo: {{type: network.tcp, config: {{host: 127.0.0.1, port: {tcp}}}}}
  syslog: {{type: network.udp, config: {{host: 127.0.0.1, port: {udp}}}}}
  bus: {{type: network.dbus, config: {{kind: session}}}}
  ssh: {{type: ssh.client, config: {{host: 127.0.0.1, port: {ssh}, username: {me}, key: {{file: sshd/client}}, share_key: true}}}}
"""

Use = Callable[[Callable[[Device], Awaitable[None]]], Awaitable[None]]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """The bench's file, with all far ends running."""
    monkeypatch.setenv("FLOW_LOCK_DIR", str(tmp_path / "locks"))
    async with tcp_echo() as tcp, udp_echo() as udp, message_bus(tmp_path) as bus, sshd(tmp_path) as server:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        file = tmp_path / "bench.yaml"
        ports = {"tcp": tcp["port"], "udp": udp["port"], "ssh": server.port}
        file.write_text(BENCH.format(folder=tmp_path, me=getpass.getuser(), **ports))
        yield file


@pytest.fixture(params=["here", pytest.param("remote", marks=pytest.mark.machine)])
def use(request: pytest.FixtureRequest, bench: Path, tmp_path: Path) -> Use:
    """Run a test with the device: of the file, or of an exporter that serves it."""

    async def run(work: Callable[[Device], Awaitable[None]]) -> None:
        async def with_address(unix: str, tcp: str) -> None:
            async with device(tcp, access=Access(insecure=True)) as dut:
                await work(dut)

        with anyio.fail_after(60):
            if request.param == "remote":
                await served(bench, tmp_path, with_address)
            else:
                async with device(bench) as dut:
                    await work(dut)

    return run
