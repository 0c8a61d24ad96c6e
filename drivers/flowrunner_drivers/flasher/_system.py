"""The system that the board was booted into: its shell, its block devices, and pipes with every member checked."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

import anyio

from flowrunner.beside import beside
from flowrunner.console.patterns import Line
from flowrunner.console.posix import PosixShell, Ran
from flowrunner.console.reader import ConsoleReader
from flowrunner.console.text import last_lines
from flowrunner.driver import NOTICE
from flowrunner.errors import BenchError, near
from flowrunner.model import Duration, Size
from flowrunner_drivers.flasher._faults import TAIL, PassingError, stage

RESTARTED = r"U-Boot (?:SPL |TPL )?20\d\d\."
"""What a board says that starts again."""

OUTPUT = 1 << 20
"""Bytes that a command may print."""

ALIVE = "flow-at"
PACE = 2
"""Seconds between two signs of life of a board that works."""

log = logging.getLogger(__name__)


class System:
    """A shell on `reader`'s console.

    `stall` is for how many seconds a board that works may give no sign of life, `within` how long a command may take.
    """

    def __init__(self, reader: ConsoleReader, *, stall: float, within: float) -> None:
        self.reader = reader
        self._shell = PosixShell(reader.session)
        self._stall = stall
        self._within = within

    async def run(self, command: str, *, endless: bool = False) -> Ran:
        """Run a command; an `endless` one takes as long as it takes.

        Raises:
            PassingError: the shell is gone, or it took too long.
        """
        limit = None if endless else self._within
        try:
            with stage(self.reader.session, f"it ran '{command[:60]}'", "device", limit):
                return await self._shell.run(command, env={}, limit=OUTPUT)
        except PassingError:
            raise
        except BenchError as error:
            raise PassingError(f"the board's shell was lost: {error.what}", said=error.said) from error

    async def checked(self, command: str, role: str) -> str:
        """Run a command that must succeed; returns what it printed. `role` says in the error what it is.

        Raises:
            BenchError: it failed.
        """
        ran = await self.run(command)
        if ran.status:
            what = f"{role} '{command}' exited {ran.status}"
            raise BenchError(what, blame="config", said=last_lines(ran.output), help="see the bundle's manifest")
        return ran.text

    async def all(self, commands: Sequence[str], role: str) -> None:
        """Run commands that must succeed.

        Raises:
            BenchError: one failed; those behind it were not run.
        """
        for command in commands:
            await self.checked(command, role)

    async def piped(self, *, total: int = 0, endless: bool = False, **members: str) -> tuple[Mapping[str, int], str]:
        """Run commands as one pipe; returns the exit status of each, and what was printed.

        A shell gives only the status of the last, and busybox has no PIPESTATUS: so each member writes its own. With a
        member `dd` it is logged how much of `total` bytes it has written. `endless`: somebody else sees that it moves.

        Raises:
            PassingError: the board went silent, or `dd` stands still.
        """
        parts = [f'{{ {command} 3>&-; echo "flow-{name}=$?" >&3; }}' for name, command in members.items()]
        position = " $(sed -n 's/^pos:[[:space:]]*//p' /proc/$(pidof dd)/fdinfo/1)" if "dd" in members else ""
        signs = f"( while sleep {PACE}; do echo {ALIVE}{position}; done ) 2>/dev/null & _p=$!"
        async with beside(self._awake, *([lambda: self._follow(total)] if position else [])):
            ran = await self.run(f"{signs}; {{ {' | '.join(parts)}; }} 3>&1; kill $_p", endless=endless)
        found = {name: int(status) for name, status in re.findall(r"flow-(\w+)=(\d+)", ran.text)}
        if missing := members.keys() - found.keys():
            raise PassingError(f"the board did not say how '{min(missing)}' ended", said=last_lines(ran.output))
        return found, "\n".join(line for line in ran.text.splitlines() if not line.startswith("flow-"))

    async def device(self, name: str, place: str) -> str:
        """The block device of a target.

        Raises:
            BenchError: there is none.
        """
        _, sign, address = place.partition("#")
        links = dict(re.findall(r"(\S+) -> (\S+)", (await self.run("ls -l /sys/class/block")).text))
        problem = f"the board has no block device {place}"
        if sign:
            behind = [entry for entry, link in links.items() if address in link.partition("/block/")[0]]
            if behind:
                return f"/dev/{min(behind, key=lambda entry: (len(links[entry]), entry))}"
            problem = f"no block device of the board is behind the address {address}"
        elif not (await self.run(f"test -b {place}")).status:
            return place
        help = near(place.rpartition("/")[2], links) if links else "its kernel shows no block device at all"
        raise BenchError(f"target '{name}' is '{place}': {problem}", blame="config", help=help)

    async def size(self, device: str) -> int:
        """The size of a block device in bytes."""
        text = await self.checked(f"cat /sys/class/block/$(basename $(readlink -f {device}))/size", "the command")
        return int(text.split()[-1]) * 512

    async def restarted(self) -> None:
        """Watch the board for as long as this runs; it never returns.

        Raises:
            PassingError: the board started again.
        """
        start = self.reader.log.end
        match = await self.reader.watch(Line(RESTARTED), start)
        before = self.reader.log.read(max(start, match.start - TAIL), match.start)
        what = "the board started again while it was flashed"
        raise PassingError(what, said=last_lines(before), help="look at its power supply, and at its watchdog")

    async def reboot(self) -> None:
        """Reboot, and wait until the board starts again.

        Raises:
            PassingError: it does not.
        """
        start = self.reader.log.end
        await self.reader.session.send(b"reboot\n")
        with stage(self.reader.session, "it rebooted", "device", self._within):
            await self.reader.watch(Line(RESTARTED), start)

    async def _awake(self) -> None:
        """Watch for signs of life."""
        start = seen = self.reader.log.end
        while True:
            with anyio.move_on_after(self._stall) as limit:
                await self.reader.log.changed(seen)
            if limit.cancelled_caught:
                break
            seen = self.reader.log.end
        said = last_lines(self.reader.log.read(max(start, self.reader.log.end - TAIL)))
        what = f"the board has said nothing for {Duration(self._stall)}"
        raise PassingError(what, said=said, help="has it lost its power, does it hang?")

    async def _follow(self, total: int) -> None:
        """Log how far `dd` is. When all is written, it still waits for the storage."""
        start, last, moved = self.reader.log.end, -1, anyio.current_time()
        while anyio.current_time() - moved <= (self._stall if last < total else self._within):
            with anyio.move_on_after(1):
                match = await self.reader.watch(Line(rf"^{ALIVE} (?P<at>\d+)"), start)
                start, at = match.end, int(match.groups["at"])
                if at != last:
                    last, moved = at, anyio.current_time()
                    log.log(NOTICE, "%s of %s are written (%d %%)", Size(at), Size(total), 100 * at // max(total, 1))
        stood = Duration(round(anyio.current_time() - moved))
        what = f"the writing stands still for {stood}, at byte {max(last, 0)} of {total}"
        raise PassingError(what, blame="infra", help="does the board still reach our HTTP server?")
