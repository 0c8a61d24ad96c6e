"""From power off to a shell: U-Boot's prompt, an address, kernel and the rest over TFTP, a login."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from flowrunner.beside import beside
from flowrunner.bundle.manifest import Login
from flowrunner.console.keys import KEYS
from flowrunner.console.login import Account, log_in
from flowrunner.console.patterns import Prompt
from flowrunner.console.reader import ConsoleReader
from flowrunner.console.text import last_lines
from flowrunner.console.uboot import Lease, UbootShell
from flowrunner.driver import NOTICE
from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power
from flowrunner_drivers.flasher._config import FlasherConfig
from flowrunner_drivers.flasher._faults import PassingError, stage
from flowrunner_drivers.flasher._system import System

STARTED = r"Starting kernel|Linux version"
NO_FILE = re.compile(r"TFTP error: .*\(1\)|[Ff]ile not found")
"""Error 1 of RFC 1350 is "file not found"."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Load:
    """A file that the board loads: what it is, its name on the server, and where it goes in memory."""

    kind: str
    file: str
    address: str


@dataclass(frozen=True, slots=True)
class Start:
    """What a board is to boot: files from the TFTP server at `server`, U-Boot's commands before, the last one.

    That server listens within `serving`.
    """

    server: str
    serving: Callable[[], AbstractAsyncContextManager[None]]
    commands: list[str]
    loads: list[Load]
    bootcmd: str
    login: Login
    network: list[str]


class Boot:
    """Boots a board; `power` and its console are the board's."""

    def __init__(self, config: FlasherConfig, power: Power, reader: ConsoleReader) -> None:
        self._config = config
        self._power = power
        self._reader = reader
        self._session = reader.session

    async def system(self, start: Start) -> System:
        """A board that is off or runs anything becomes one with a shell and a network.

        Raises:
            PassingError: the network failed, or the board did not come as far.
            BenchError: a file is not there, a command failed, or the login was refused.
        """
        config = self._config
        lease = await self._load(start)
        log.log(NOTICE, "the kernel was started; the board is %s", lease.ip)
        await self._log_in(start.login)
        system = System(self._reader, stall=config.stall_timeout, within=config.sync_timeout)
        async with beside(system.restarted):
            given = {"dhcp_addr": lease.ip, "dhcp_netmask": lease.netmask, "gw_addr": lease.gateway or ""}
            await system.run("; ".join(f"export {name}={value}" for name, value in given.items()))
            for command in start.network:
                log.log(NOTICE, "the board runs '%s'", command)
                ran = await system.run(command)
                if ran.status:
                    what = f"the board's '{command}' exited {ran.status}: it has no network"
                    raise PassingError(what, blame="infra", said=last_lines(ran.output), help="does DHCP answer?")
        return system

    async def bootloader(self) -> UbootShell:
        """A board that is off or runs anything becomes one at U-Boot's prompt.

        Raises:
            PassingError: it did not come as far.
        """
        config, session = self._config, self._session
        session.skip()
        await self._power.off()
        await anyio.sleep(config.off_for)
        await self._power.on()
        uboot = UbootShell(session, prompt=config.uboot_prompt, delay=config.uboot_delay)
        key = KEYS.get(config.key.lower(), config.key.encode())
        with stage(session, "it got to U-Boot's prompt", "device", config.uboot_timeout + 5):
            await uboot.interrupt(key, within=config.uboot_timeout, password=config.uboot_password)
        log.log(NOTICE, "U-Boot is at its prompt")
        return uboot

    async def _load(self, start: Start) -> Lease:
        """All that U-Boot does."""
        config, session = self._config, self._session
        uboot = await self.bootloader()
        for command in start.commands:
            await self._command(uboot, command)
        with stage(session, "it asked for an address", "infra", config.uboot_timeout):
            lease = await uboot.dhcp()
        await self._command(uboot, f"setenv serverip {start.server}")
        async with start.serving():
            for load in start.loads:
                size = await self._fetch(uboot, load, start.server)
                log.log(NOTICE, "%s: %d bytes were loaded to %s", load.kind, size, load.address)
                await self._command(uboot, f"setenv {load.kind}_addr {load.address}; setenv {load.kind}_size {size:x}")
        with stage(session, "it started the kernel", "device", config.uboot_timeout):
            await uboot.boot(start.bootcmd, STARTED)
        return lease

    async def _command(self, uboot: UbootShell, command: str) -> None:
        """Run one of U-Boot's commands that must succeed."""
        with stage(self._session, f"U-Boot ran '{command}'", "device", self._config.uboot_timeout):
            await uboot.checked(command)

    async def _fetch(self, uboot: UbootShell, load: Load, server: str) -> int:
        try:
            with stage(self._session, f"it loaded the {load.kind}", "infra", self._config.load_timeout):
                return await uboot.load(load.file, load.address, server=server)
        except PassingError as error:
            if NO_FILE.search(f"{error.what}\n{error.said}"):
                what = f"the TFTP server at {server} has no '{load.file}', the {load.kind}"
                advice = "does another TFTP server answer at that address?"
                raise BenchError(what, blame="config", said=error.said, help=advice) from error
            raise

    async def _log_in(self, login: Login) -> None:
        prompt = rf"{re.escape(login.prompt.strip())}\s*"
        within = self._config.login_timeout
        with stage(self._session, "it booted the system", "device", within + 5):
            if login.username is None:
                await self._session.expect([Prompt(prompt, regex=True)], within=within)
                return
            account = Account(
                login.username, login.password, rf"{re.escape(login.login_prompt.strip())}\s*", prompt=prompt, poke=15
            )
            await log_in(self._session, account, within=within)
        log.log(NOTICE, "logged in as '%s'", login.username)
