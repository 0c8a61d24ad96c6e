"""Writing an image on the board: fetched over HTTP, unpacked, written, made durable, read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flowrunner.console.text import last_lines
from flowrunner.driver import NOTICE
from flowrunner.errors import BenchError
from flowrunner.model import Size
from flowrunner_drivers.flasher._faults import PassingError
from flowrunner_drivers.flasher._packing import UNPACK, PackedImage, Packing
from flowrunner_drivers.flasher._system import System

log = logging.getLogger(__name__)

NO_COMMAND = 127
BLOCK = "64k"


async def fits(system: System, name: str, device: str, size: int) -> None:
    """Look before anything is written.

    Raises:
        BenchError: the image is larger than the device.
    """
    room = await system.size(device)
    if size > room:
        raise BenchError(
            f"target '{name}' is {device} with {Size(room)}, the image has {Size(size)}", blame="config",
            help="flash another target, or a smaller image",
        )  # fmt: skip


async def written(system: System, device: str, url: str, image: PackedImage, packing: Packing) -> None:
    """Write what is at `url` to `device`.

    Raises:
        PassingError: the download broke off.
        BenchError: the device did not take it, or the system lacks a command.
    """
    unpack = UNPACK[packing]
    log.log(NOTICE, "the board writes %s to %s", Size(image.written.size), device)
    members = {"wget": f"wget -q -O - {url}", "unpack": unpack, "dd": f"dd of={device} bs={BLOCK} conv=fsync"}
    statuses, said = await system.piped(
        total=image.written.size, endless=True, **{name: command for name, command in members.items() if command}
    )
    _judge(statuses, said, device, members)
    await system.checked("sync", "the command")


def _judge(statuses: Mapping[str, int], said: str, device: str, members: Mapping[str, str | None]) -> None:
    """Which of them failed first: who writes is never disturbed by those before it, they are by those behind them."""
    for name in ("dd", "wget", "unpack"):
        if statuses.get(name) == NO_COMMAND:
            missing = str(members[name]).partition(" ")[0]
            raise BenchError(f"the board's system has no '{missing}'", blame="config", said=said,
                             help="add it to the bundle's initial RAM disk, or set packing")  # fmt: skip
    tail = last_lines(said.encode())
    if status := statuses["dd"]:
        what = f"'{device}' did not take the image: dd exited {status}"
        raise BenchError(what, blame="device", said=tail, help="is the medium worn out, or locked?")
    if status := statuses["wget"]:
        what = f"the board's download of the image broke off: wget exited {status}"
        raise PassingError(what, blame="infra", said=tail, help="look at the network between the board and this host")
    if (status := statuses.get("unpack", 0)) != 0:
        raise PassingError(f"the image did not arrive whole: unpacking exited {status}", blame="infra", said=tail)


async def verified(system: System, device: str, image: PackedImage) -> None:
    """Read back what was written, from the medium and not from memory.

    Raises:
        BenchError: it is not the same.
    """
    log.log(NOTICE, "the board reads %s back", Size(image.written.size))
    await system.run(f"blockdev --flushbufs {device} || echo 3 > /proc/sys/vm/drop_caches")
    statuses, said = await system.piped(head=f"head -c {image.written.size} {device}", sum="sha256sum")
    if any(statuses.values()):
        what = f"the board could not read '{device}' back: " + ", ".join(f"{n} exited {s}" for n, s in statuses.items())
        raise BenchError(what, blame="device", said=last_lines(said.encode()))
    if image.sha256 not in said:
        raise BenchError(
            f"the storage does not hold what was written: '{device}' has another checksum than sha256:{image.sha256}",
            said=last_lines(said.encode()), help="the medium may be worn out or smaller than it says",
        )  # fmt: skip
