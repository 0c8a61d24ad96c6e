"""D-Bus against a real dbus-daemon, asked by a real busctl."""

import asyncio
import os
from pathlib import Path

import pytest

from flowrunner.bench.build import Builder
from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import DbusNetwork as Bus
from flowrunner.net.forward import forward_unix
from flowrunner_drivers.network.dbus import DbusNetwork
from tests.support.far_ends import message_bus

pytestmark = pytest.mark.anyio


def bus(kind: str) -> Bus:
    driver = DbusNetwork.make({"kind": kind})
    assert isinstance(driver, Bus)
    return Bus.client(Direct(driver))


@pytest.mark.parametrize("kind", ["session", "system"])
async def test_a_client_logs_in_and_is_answered(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = str(os.getuid()).encode().hex().encode()
    async with message_bus(tmp_path) as address:
        monkeypatch.setenv(f"DBUS_{kind.upper()}_BUS_ADDRESS", address)
        network = bus(kind)
        assert await network.kind() == kind
        assert await network.address() == address
        async with network.connect() as stream:
            await stream.send(b"\0AUTH EXTERNAL " + uid + b"\r\n")
            assert (await stream.receive()).startswith(b"OK ")


@pytest.mark.parametrize("kind", ["session", "system"])
def test_without_a_variable_it_is_where_the_specification_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"DBUS_{kind.upper()}_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    driver = DbusNetwork.make({"kind": kind})
    wanted = "/run/user/7/bus" if kind == "session" else "/run/dbus/system_bus_socket"
    assert asyncio.run(driver.address()) == f"unix:path={wanted}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address", ["tcp:host=h,port=12", "unix:abstract=/tmp/x", "nonce:x;unix:path=/a%20b", "unix:path=/x,guid=12"]
)
def test_takes_what_the_specification_allows(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    DbusNetwork.make({"kind": "system"})


@pytest.mark.parametrize("address", ["unix:", "unix:path", "tcp:host=x", "tcp:host=x,port=y", "launchd:env=x", "x"])
def test_an_address_that_cannot_be_used_is_told_when_the_exporter_is_read(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with pytest.raises(BenchError, match="cannot be used"):
        DbusNetwork.make({"kind": "system"})
    (tmp_path / "exporter.yaml").write_text("export: {bus: {type: network.dbus, config: {kind: system}}}")
    builder = Builder(load_exporter(tmp_path / "exporter.yaml"))
    with pytest.raises(Exception, match=f"the bus address '{address}' cannot be used"):
        builder.build()


async def test_a_bus_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(BenchError, match=r"the session bus at 'unix:path=.*/none' cannot be reached: No such file"):
        await bus("session").check()


async def test_a_real_client_lists_the_bus_through_a_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with message_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        async with forward_unix(bus("session").connect) as forward:
            command = ["busctl", f"--address=unix:path={forward}", "--no-pager", "list", "--acquired"]
            client = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
            said, complaint = await client.communicate()
        assert (client.returncode, complaint) == (0, b"")
        assert b"org.freedesktop.DBus" in said
