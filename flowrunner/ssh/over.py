"""The interface `Ssh` over a network: what the driver is, and what a job has over any network of a device."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.ssh import Ssh, SshEntry, SshFile, SshLogin, SshServer, SshTerminal
from flowrunner.ssh.lines import Line, Lines
from flowrunner.ssh.settings import SshSettings, credentials


class SshOver(Ssh):
    """Commands and files over the connections of `lines`. asyncssh is imported when one is made."""

    lines: Lines

    @asynccontextmanager
    async def session(
        self, command: str | None = None, env: Mapping[str, str] | None = None, terminal: SshTerminal | None = None,
        login: SshLogin | None = None,
    ) -> AsyncIterator[ByteStream]:  # fmt: skip
        from flowrunner.ssh.sessions import session

        async with session(self.lines, login, command, env or {}, terminal) as opened:
            yield opened

    async def ready(self, within: float = 0.0, login: SshLogin | None = None) -> SshServer:
        from flowrunner.ssh.sessions import alive

        line = await alive(self.lines, login, within)
        version = str(line.asyncssh.get_extra_info("server_version"))
        return SshServer(version=version, username=line.who.username, host_key=self.lines.host_key)

    async def forget(self) -> None:
        self.lines.forget()

    async def shared(self) -> SshLogin:
        settings = self.lines.settings
        key = credentials(settings, None, os.environ).key if settings.share_key else None
        return SshLogin(username=settings.username, key=key)

    async def upload(
        self, path: str, content: AsyncIterable[bytes], mode: int | None = None, verify: bool = True,
        login: SshLogin | None = None,
    ) -> SshFile:  # fmt: skip
        from flowrunner.ssh.transfer import upload

        client, line = await self.files(login)
        return await upload(client, line, path, content, mode, verify=verify)

    async def download(self, path: str, login: SshLogin | None = None) -> AsyncGenerator[bytes, None]:
        from flowrunner.ssh.transfer import download

        client, line = await self.files(login)
        async for piece in download(client, line, path):
            yield piece

    async def digest(self, path: str, length: int | None = None, login: SshLogin | None = None) -> str:
        from flowrunner.ssh.transfer import digest

        client, line = await self.files(login)
        return await digest(client, line, path, length=length)

    async def entries(self, path: str, login: SshLogin | None = None) -> AsyncGenerator[SshEntry, None]:
        from flowrunner.ssh.transfer import entries

        client, line = await self.files(login)
        async for entry in entries(client, line, path):
            yield entry

    async def mkdir(self, path: str, mode: int | None = None, login: SshLogin | None = None) -> None:
        from flowrunner.ssh.transfer import mkdir

        client, line = await self.files(login)
        await mkdir(client, line, path, mode)

    async def link(self, path: str, target: str, login: SshLogin | None = None) -> None:
        from flowrunner.ssh.transfer import link

        client, line = await self.files(login)
        await link(client, line, path, target)

    async def files(self, login: SshLogin | None = None) -> tuple[Any, Line]:
        """The SFTP client of a login, with its connection.

        Raises:
            BenchError: there is no connection, or the server has no SFTP.
        """
        from flowrunner.ssh.sftp import sftp

        line, client = await self.lines.using(partial(sftp, timeout=self.lines.settings.timeout), login)
        return client, line


class SshOverNetwork(SshOver):
    """A login over a network of the device, made by this process."""

    def __init__(self, network: Network, settings: SshSettings) -> None:
        self.lines = Lines(settings, network)


@asynccontextmanager
async def ssh_over(network: Network, settings: SshSettings) -> AsyncIterator[Ssh]:
    """Log in over `network` from here, as long as the block lasts.

    Raises:
        BenchError: asyncssh is missing, or what `settings` name cannot be read.
    """
    found = SshOverNetwork(network, settings)
    async with found.lines.running():
        yield found
