"""A device with a login by SSH, for tests of steps and of what people do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from flowrunner.device import Device
from flowrunner.interface import Direct
from flowrunner.interfaces.ssh import Ssh
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.ssh.client import SshClient
from tests.support.devices import device
from tests.support.sshd import sshd


@asynccontextmanager
async def ssh_device(folder: Path, **config: Any) -> AsyncIterator[Device]:
    """The device `dut` with `ssh`, and the bare port of its server as `port22`."""
    async with sshd(folder) as server:
        driver = SshClient.make({**server.config, **config})
        port = TcpNetwork.make({"host": "127.0.0.1", "port": server.port})
        async with driver.opened():
            yield device(ssh=driver, port22=port)


@asynccontextmanager
async def ssh_client(config: dict[str, Any], **children: Any) -> AsyncIterator[Ssh]:
    """The client of an `ssh.client` with this config."""
    driver = SshClient.make(config, children)
    assert isinstance(driver, Ssh)
    async with driver.opened():
        yield Ssh.client(Direct(driver))


def key(folder: Path) -> str:
    """The private key that the server of `ssh_device` lets in."""
    return (folder / "sshd/client").read_text()
