"""SSH, both ways. With Jumpstarter the client logs in, by its own `ssh`, through the part `tcp`."""

from __future__ import annotations

import getpass
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, cast

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface
from flowrunner.interfaces.ssh import Ssh, SshEntry, SshFile, SshLogin, SshServer, SshTerminal
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources
from flowrunner.remote.jumpstarter.network import ForeignNetwork
from flowrunner.ssh.over import ssh_over
from flowrunner.ssh.settings import SshSettings

TCP = "tcp"
"""The part through which the server is reached."""

PROGRAM = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
"""The program that their client starts, as their own driver has it: it sees an address of its own machine."""


class SshFacade(Facade):
    """What `SSHWrapperClient` calls."""

    client_class = "jumpstarter_driver_ssh.client.SSHWrapperClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.get_default_username, self.get_ssh_command, self.get_ssh_identity)

    async def get_default_username(self) -> str:
        """Who logs in."""
        return (await self.part.shared()).username or ""

    async def get_ssh_command(self) -> str:
        """The program with its options."""
        return PROGRAM

    async def get_ssh_identity(self) -> str | None:
        """The private key, where the bench's owner shares it."""
        key: str | None = (await self.part.shared()).key
        return key


class ForeignSsh(Ssh):
    """A login that is described by an exporter of Jumpstarter: made by this process, for each call anew."""

    def __init__(self, peer: Peer, children: Mapping[str, Peer]) -> None:
        self._peer = peer
        self._tcp = children.get(TCP)

    @asynccontextmanager
    async def session(
        self, command: str | None = None, env: Mapping[str, str] | None = None, terminal: SshTerminal | None = None,
        login: SshLogin | None = None,
    ) -> AsyncIterator[ByteStream]:  # fmt: skip
        async with self._logged_in() as ssh, ssh.session(command, env, terminal, login) as stream:
            yield stream

    async def ready(self, within: float = 0.0, login: SshLogin | None = None) -> SshServer:
        async with self._logged_in() as ssh:
            return await ssh.ready(within, login)

    async def forget(self) -> None:
        """No connection is kept, and no host key."""

    async def shared(self) -> SshLogin:
        username, key = await self._peer.call("get_default_username"), await self._peer.call("get_ssh_identity")
        return SshLogin(username=str(username) or getpass.getuser(), key=str(key) if key else None)

    async def upload(
        self, path: str, content: AsyncIterable[bytes], mode: int | None = None, verify: bool = True,
        login: SshLogin | None = None,
    ) -> SshFile:  # fmt: skip
        async with self._logged_in() as ssh:
            return await ssh.upload(path, content, mode, verify, login)

    async def download(self, path: str, login: SshLogin | None = None) -> AsyncGenerator[bytes, None]:
        async with self._logged_in() as ssh, aclosing(cast("Any", ssh.download(path, login))) as pieces:
            async for piece in pieces:
                yield piece

    async def digest(self, path: str, length: int | None = None, login: SshLogin | None = None) -> str:
        async with self._logged_in() as ssh:
            return await ssh.digest(path, length, login)

    async def entries(self, path: str, login: SshLogin | None = None) -> AsyncGenerator[SshEntry, None]:
        async with self._logged_in() as ssh, aclosing(cast("Any", ssh.entries(path, login))) as found:
            async for entry in found:
                yield entry

    async def mkdir(self, path: str, mode: int | None = None, login: SshLogin | None = None) -> None:
        async with self._logged_in() as ssh:
            await ssh.mkdir(path, mode, login)

    async def link(self, path: str, target: str, login: SshLogin | None = None) -> None:
        async with self._logged_in() as ssh:
            await ssh.link(path, target, login)

    @asynccontextmanager
    async def _logged_in(self) -> AsyncIterator[Ssh]:
        if self._tcp is None:
            raise BenchError(f"its exporter shows no part '{TCP}' to log in through", blame="config")
        shared = await self.shared()
        settings = SshSettings(username=shared.username or getpass.getuser(), key=shared.key)
        opening: AbstractAsyncContextManager[Ssh] = ssh_over(ForeignNetwork(self._tcp), settings)
        async with opening as ssh:
            yield ssh
