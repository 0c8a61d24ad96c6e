"""The connections to one SSH server: one for each login, made when it is needed, and made anew when it was lost."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.ssh import SshLogin
from flowrunner.model import Duration
from flowrunner.ssh.carrier import Carrier
from flowrunner.ssh.settings import Credentials, SshSettings, credentials

T = TypeVar("T")

PAUSE = 0.3
"""Seconds between two attempts."""

FAREWELL = 1.0
"""Seconds that the server has to hear that we leave."""

_log = logging.getLogger(__name__)


class Line:
    """One connection. `asyncssh` is that library's own, `where` and `who` are for errors."""

    asyncssh: Any = None

    def __init__(self, where: str, who: Credentials) -> None:
        self.where = where
        self.who = who
        self.failure: Exception | None = None
        self.settled = anyio.Event()
        self.scope = anyio.CancelScope()
        self.sftp: Any = None
        self.used = False

    @property
    def stands(self) -> bool:
        """Whether it is open, as far as is known here."""
        return self.asyncssh is not None and not self.asyncssh.is_closed()


class Lines:
    """The connections over one network, as `settings` say."""

    def __init__(self, settings: SshSettings, network: Network) -> None:
        self.settings = settings
        self._network = network
        self._lines: dict[SshLogin | None, Line] = {}
        self._turn = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._hosts: Any = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connections may be made as long as this lasts; leaving closes them.

        Raises:
            BenchError: asyncssh is missing, or the trusted host keys cannot be read.
        """
        try:
            from flowrunner.ssh.hostkeys import HostKeys  # asyncssh takes 200 ms
        except ImportError as error:
            what = f"SSH needs the package '{error.name}'"
            raise BenchError(what, blame="infra", help="pip install 'flowrunner[ssh]'") from error
        self._hosts = HostKeys(self.settings)
        async with beside() as self._tasks:
            yield

    async def line(self, login: SshLogin | None = None, within: float | None = None) -> Line:
        """The connection of this login. While nobody answers, it is tried again for `within` seconds.

        Raises:
            BenchError: there is none to be had; the last attempt says why.
        """
        patience = self.settings.within if within is None else within
        deadline = anyio.current_time() + patience
        async with self._turn:
            while True:
                found = self._lines.get(login)
                if found and found.stands:
                    return found
                try:
                    self._lines[login] = await self._open(login)
                except BenchError as error:
                    if error.blame != "infra" or not patience:
                        raise
                    if anyio.current_time() + PAUSE > deadline:
                        what = f"no SSH login within {Duration(patience)}: {error.what}"
                        raise BenchError(what, blame="infra", help=error.help) from error
                    await anyio.sleep(PAUSE)

    async def using(
        self, begin: Callable[[Line], Awaitable[T]], login: SshLogin | None = None, within: float | None = None
    ) -> tuple[Line, T]:
        """Begin something over the connection of a login. One that turns out to be dead is replaced, once.

        Raises:
            BenchError: there is none to be had, or what `begin` raises.
        """
        line = await self.line(login, within)
        old, line.used = line.used, True
        try:
            return line, await begin(line)
        except BenchError as error:
            if not old or error.blame != "device":
                raise
            self.drop(line)
        line = await self.line(login, within)
        line.used = True
        return line, await begin(line)

    def drop(self, line: Line) -> None:
        """Use a connection no more: it turned out to be dead."""
        line.scope.cancel()
        for login in [login for login, each in self._lines.items() if each is line]:
            del self._lines[login]

    def forget(self) -> None:
        """Close all connections, and take the next host key as the first one."""
        for line in list(self._lines.values()):
            self.drop(line)
        self._hosts.forget()

    @property
    def host_key(self) -> str:
        """The fingerprint of the key that the server showed last."""
        return str(self._hosts.seen)

    async def _open(self, login: SshLogin | None) -> Line:
        assert self._tasks, "running() was not entered"
        who = credentials(self.settings, login, os.environ)
        line = Line(await self._where(), who)
        self._tasks.start_soon(self._hold, line)
        try:
            await line.settled.wait()
        except BaseException:
            line.scope.cancel()
            raise
        if line.failure:
            raise self._told(line) from line.failure
        if self._hosts.unchecked:
            _log.warning("nobody checks who answers at %s: host_key is 'any'", line.where)
        return line

    def _told(self, line: Line) -> BenchError:
        from asyncssh import HostKeyNotVerifiable

        from flowrunner.ssh.faults import login_failed

        assert line.failure
        if isinstance(line.failure, HostKeyNotVerifiable):
            return cast("BenchError", self._hosts.refused(line.where))
        return login_failed(line.failure, line.where, line.who, self.settings.timeout)

    async def _hold(self, line: Line) -> None:
        """Have the connection, in a task of its own: it ends with the server, with `drop`, or with all."""
        from flowrunner.ssh.connecting import log_in

        try:
            with line.scope:
                async with self._network.connect() as stream:
                    carrier = Carrier(stream)
                    async with beside(carrier.carry):
                        line.asyncssh = await log_in(carrier, self.settings, line.who, self._hosts)
                        line.settled.set()
                        try:
                            await line.asyncssh.wait_closed()
                        finally:
                            await _left(line.asyncssh)
        except Exception as error:  # noqa: BLE001 - whoever waits for the connection is told
            line.failure = error
        finally:
            line.settled.set()

    async def _where(self) -> str:
        with suppress(BenchError):
            return f"'{(await self._network.address()).removeprefix('tcp://')}'"
        return "the device"


async def _left(connection: Any) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(FAREWELL):
        connection.close()
        await connection.wait_closed()
    connection.abort()
