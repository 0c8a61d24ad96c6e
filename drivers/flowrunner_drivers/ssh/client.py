"""A login at an SSH server, such as that of the device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pydantic import Field, model_validator

from flowrunner.driver import Driver
from flowrunner.errors import BenchError
from flowrunner.interfaces.network import Network
from flowrunner.ssh.lines import Lines
from flowrunner.ssh.over import SshOver
from flowrunner.ssh.settings import SshSettings
from flowrunner_drivers.ssh._port import ServerPort

TCP = "tcp"
"""The part through which the server is reached."""

THEIRS = {"default_username": "username", "ssh_identity": "key", "ssh_identity_file": "key", "ssh_command": None}
"""Jumpstarter's keys, by what they are here; its command line is that of a program that is not started."""


class SshClientConfig(SshSettings):
    """Where the server is, and how one logs in."""

    host: str | None = Field(default=None, min_length=1)
    """The server's name or address, as the exporter knows it; left out where the part `tcp` leads there."""

    port: int = Field(default=22, ge=1, le=65535)
    """The server's port."""

    @model_validator(mode="before")
    @classmethod
    def _theirs(cls, given: Any) -> Any:
        """Take the keys of Jumpstarter's driver, whose clients are given the key and check no host key."""
        if not isinstance(given, dict) or not THEIRS.keys() & given.keys():
            return given
        found = {key: value for key, value in given.items() if key not in THEIRS}
        if given.get("default_username"):
            found.setdefault("username", given["default_username"])
        if given.get("ssh_identity_file"):
            found.setdefault("key", {"file": given["ssh_identity_file"]})
        if given.get("ssh_identity"):
            found.setdefault("key", given["ssh_identity"])
        return {"share_key": True, **found}


class SshClient(Driver[SshClientConfig], SshOver):
    """Commands and files by the SSH server of the device.

    The exporter logs in: user, password and key stay with the bench, and no client needs `ssh`, a key, or a way to the
    device's network. The connection is made when it is first needed, shared, and made anew when it was lost, as by a
    reboot. What a job started ends with it.

    ```yaml
    export:
      ssh:
        type: ssh.client
        config: {host: 192.168.7.2, username: root, key: {file: keys/lab}, host_key_file: keys/board-7.pub}
      guest:                                # through another part: a port of a virtual machine, a second way
        type: ssh.client
        config: {username: root, password: {env: GUEST_PASSWORD}}
        children:
          tcp: {type: network.vsock, config: {cid: 42, port: 22}}
    ```

    It needs `flowrunner[ssh]`.
    """

    aliases = ("jumpstarter_driver_ssh.driver.SSHWrapper",)

    def __init__(self, config: SshClientConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        if TCP in self.children and config.host:
            raise BenchError(f"host and a part '{TCP}' exclude each other", blame="config", help="leave one out")
        if TCP not in self.children:
            if not config.host:
                what = f"it has neither host nor a part '{TCP}'"
                raise BenchError(what, blame="config", help="say host, or children: {tcp: {ref: ...}}")
            self.children[TCP] = ServerPort.make({"host": config.host, "port": config.port, "timeout": config.timeout})
        network = self.children[TCP]
        if not isinstance(network, Network):
            raise BenchError(f"its part '{TCP}' is no network", blame="config", help="such as type: network.tcp")
        self.lines = Lines(config, network)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.lines.running():
            yield
