"""Working at U-Boot's prompt on a console: stop the autoboot, run commands, learn their status, read the environment.

A command stands between two markers, and `$?` is printed in the last one. In the echo of what was typed the markers are
cut by quotes, `F"L"OW`, so they are found in the output only. This needs the hush shell (CONFIG_HUSH_PARSER), which
boards have had since 2010. Source: doc/usage/cmdline.rst and common/autoboot.c of U-Boot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

import anyio

from flowrunner.console.patterns import ConsoleSession, Line, Prompt
from flowrunner.console.posix import Ran
from flowrunner.console.text import last_lines
from flowrunner.errors import BenchError, ExpectationError

PROMPT = r"^(?:=>|[\w.-]*(?:U-Boot|u-boot|UBOOT)[\w.-]*\s?[=>#$]+|[\w.-]+=>|MX\w*>|Zynq\w*>|ZynqMP>|Tegra\w*.*#) ?"
"""The prompts that boards commonly have; they begin their line."""

AUTOBOOT = r"(?i)(hit|press) .{0,30}(stop|abort|interrupt)|autoboot in|to stop autoboot|enter password"
"""What a countdown says."""

NO_CARD = "No ethernet found"
SCAN = "run 'pci enum', 'virtio scan' or 'usb start' first; in a bundle that is a line of bootloader_commands"

KNOCK = 0.1
"""Seconds between two keys that stop the autoboot."""

PATIENCE = 20
"""Keys that are pressed before it is Ctrl-C for once."""

_ENDING = re.compile(rb"\r+\n")
_REASON = re.compile(r"TFTP error: .*|.*[Rr]etry count exceeded.*|\*\*\* ERROR: .*|.*not found.*")
_SPECIAL = re.compile(r"(['\\])")


@dataclass(frozen=True, slots=True)
class Lease:
    """What DHCP gave: addresses as U-Boot has them in its environment, `None` where it got none."""

    ip: str
    netmask: str
    gateway: str | None
    server: str | None


class UbootShell:
    """U-Boot on `session`. `prompt` is a regular expression, `delay` is in seconds between two typed characters."""

    def __init__(self, session: ConsoleSession, *, prompt: str = PROMPT, delay: float = 0.0) -> None:
        self._session = session
        self._prompt = Prompt(f"(?:{prompt})", regex=True)
        self._next = Prompt(f"(?:{prompt})", regex=True, settle=0.0)
        """The prompt behind a last marker, where nothing else can come."""
        self._delay = delay
        self._word = session.word()

    async def interrupt(self, key: bytes, *, within: float, password: str | None = None) -> None:
        """Stop the autoboot, and get to the prompt: `key` is pressed again and again, or `password` typed once.

        Raises:
            ExpectationError: there was no prompt within so many seconds.
        """
        start = self._session.end
        try:
            with anyio.fail_after(within):
                if password is not None:
                    await self._type_password(password)
                    await self._session.expect([self._prompt])
                else:
                    await self._knock(key)
        except TimeoutError as error:
            raise ExpectationError(
                f"U-Boot's prompt was not seen within {within:g}s", cause="timeout",
                said=last_lines(self._session.read(max(start, self._session.end - 4096))),
                help="is the power cycled, the prompt right (prompt:), the autoboot stopped by another key (key:)?",
            ) from error  # fmt: skip

    async def _type_password(self, password: str) -> None:
        # The countdown ends in no line ending, so the newest text is what counts, not a complete line.
        await self._session.expect([Prompt(rf"(?:{AUTOBOOT})[^\n]*", regex=True, settle=0.0), Line(AUTOBOOT)])
        await self._session.send(password.encode() + b"\n", delay=self._delay, secret=True)

    async def _knock(self, key: bytes) -> None:
        # Keys that came behind the one that stopped it are echoed on the command line.
        echoed = re.escape(key.decode("latin-1")) if key.isalnum() else " "
        reached = Prompt(f"{self._prompt.text}(?:{echoed})*", regex=True)
        for knock in count(1):
            # A prompt that was there before anybody read is printed once more at Ctrl-C.
            await self._session.send(b"\x03" if knock % PATIENCE == 0 else key)
            try:
                await self._session.expect([reached], within=KNOCK)
            except ExpectationError:
                continue
            break
        await self._session.quiet(KNOCK)
        await self._session.send(b"\x03")
        await self._session.expect([self._prompt])

    async def run(self, command: str) -> Ran:
        """Run one line, and return what it printed with its exit status.

        Raises:
            BenchError: U-Boot has no hush shell, or the line is too long for it.
        """
        word = f"FLOW-{self._word}"
        mark = f'F"L"OW-{self._word}'
        typed = f"echo {mark}=S; {command}; echo {mark}=$?"
        await self._session.send(typed.encode() + b"\r", delay=self._delay)
        start = await self._marked(f"{word}=S", command)
        end = await self._session.expect([Line(rf"{word}=(?P<status>\S*)"), self._prompt])
        if end.index == 1:
            raise self._not_taken(command, None)
        status = end.groups["status"]
        if not status.isdigit():
            raise BenchError(
                f"U-Boot gave '{status}' for the status of a command", blame="config", driver=self._session.name,
                help="it needs the hush shell (CONFIG_HUSH_PARSER)",
            )  # fmt: skip
        await self._session.expect([self._next])
        return Ran(_ENDING.sub(b"\n", self._session.read(start, end.start)), int(status))

    async def _marked(self, marker: str, command: str) -> int:
        try:
            return (await self._session.expect([Line(re.escape(marker))], within=10)).end
        except ExpectationError as error:
            raise self._not_taken(command, error.said) from error

    def _not_taken(self, command: str, said: str | None) -> BenchError:
        return BenchError(
            f"U-Boot did not take the line '{command[:60]}'", driver=self._session.name, said=said,
            help="is its prompt there (uboot.interrupt), is the line longer than it takes (CONFIG_SYS_CBSIZE)?",
        )  # fmt: skip

    async def tried(self, command: str, tries: int) -> Ran:
        """Run one line until it exits 0, so many times at most; returns how it went the last time."""
        ran = await self.run(command)
        for _ in range(tries - 1):
            if not ran.status:
                break
            ran = await self.run(command)
        return ran

    async def checked(self, command: str) -> str:
        """Run one line and return what it printed.

        Raises:
            ExpectationError: it failed.
        """
        ran = await self.run(command)
        if ran.status:
            raise ExpectationError(f"U-Boot's '{command}' exited {ran.status}", said=last_lines(ran.output))
        return ran.text

    async def get(self, name: str) -> str | None:
        """A variable of the environment; None when there is none."""
        ran = await self.run(f"printenv {name}")
        return ran.text.removeprefix(f"{name}=") if not ran.status else None

    async def set(self, name: str, value: str | None) -> None:
        """Set a variable; None removes it. The environment is not saved."""
        await self.checked(f"setenv {name}" + ("" if value is None else f" {quoted(value)}"))

    async def dhcp(self, *, tries: int = 3) -> Lease:
        """Get an address, and load nothing.

        Raises:
            ExpectationError: nobody gave one.
            BenchError: U-Boot knows of no network card.
        """
        autoload = await self.get("autoload")
        await self.set("autoload", "no")
        try:
            ran = await self.tried("dhcp", tries)
        finally:
            await self.set("autoload", autoload)
        if NO_CARD in ran.text:
            raise BenchError(
                "U-Boot knows of no network card", blame="config", driver=self._session.name,
                said=last_lines(ran.output), help=SCAN,
            )  # fmt: skip
        names = ("ipaddr", "netmask", "gatewayip", "serverip")
        said = (await self.run("; ".join(f"printenv {name}" for name in names))).text
        found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        ip = found.get("ipaddr")
        if ran.status or not ip:
            raise ExpectationError(
                f"DHCP gave no address in {tries} tries", said=last_lines(ran.output),
                help="is the cable in, does a DHCP server answer in that network?",
            )  # fmt: skip
        return Lease(ip, found.get("netmask", "255.255.255.0"), found.get("gatewayip"), found.get("serverip"))

    async def load(self, file: str, address: str, *, server: str | None = None, tries: int = 2) -> int:
        """Load a file by TFTP to `address`, a number in hexadecimal or a variable; returns its size in bytes.

        Raises:
            ExpectationError: it could not be loaded; U-Boot itself repeats lost packets.
        """
        source = f"{server}:{file}" if server else file
        ran = await self.tried(f'tftpboot {address} "{source}"', tries)
        if ran.status:
            end = "\n".join(ran.text.splitlines()[-5:])
            raise ExpectationError(f"U-Boot could not load '{source}': {_reason(ran.text)}", said=end)
        return int(await self.get("filesize") or "0", 16)

    async def give_up(self) -> None:
        """Press Ctrl-C, so that the next command finds the prompt."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await self._session.send(b"\x03")

    async def boot(self, command: str, started: str) -> str:
        """Leave U-Boot with `command`, until a line has matched `started`; returns that line.

        Raises:
            ExpectationError: the prompt came back instead.
        """
        begin = self._session.end
        await self._session.send(command.encode() + b"\r", delay=self._delay)
        match = await self._session.expect([Line(started), self._prompt])
        if match.index == 1:
            raise ExpectationError(
                f"U-Boot's '{command}' did not boot: its prompt came back",
                said=last_lines(self._session.read(max(begin, self._session.end - 4096))),
            )
        return match.text


def _reason(said: str) -> str:
    """U-Boot's own words for what went wrong."""
    found = _REASON.findall(said)
    return found[-1].strip(" *") if found else "it did not say why"


def quoted(value: str) -> str:
    """`value` as one word for the hush shell. A backslash within quotes means different things to old and new ones."""
    return "'" + _SPECIAL.sub(r"'\\\1'", value) + "'"
