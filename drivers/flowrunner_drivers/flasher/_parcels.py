"""Images on their way to a board: fetched from the job, held beside the HTTP server, written one after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from flowrunner.bundle.manifest import Spec
from flowrunner.driver import NOTICE
from flowrunner_drivers.flasher._packing import PackedImage, Packing, unharmed
from flowrunner_drivers.flasher._servers import Folder
from flowrunner_drivers.flasher._system import System
from flowrunner_drivers.flasher._write import fits, verified, written

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """An image for the target `name`, which is the device at `place`; `file` is its name on the server."""

    name: str
    place: str
    image: PackedImage
    file: str
    arrived: anyio.Event = field(default_factory=anyio.Event)


async def fetched(parcels: Sequence[Parcel], http: Folder) -> None:
    """Bring all images to the server."""
    for parcel in parcels:
        with unharmed():
            size = await http.store.write(http.path(parcel.file), parcel.image.pieces())
        unpacked = parcel.image.written.size
        log.log(NOTICE, "%s is here: %d bytes packed, %d unpacked", parcel.file, size, unpacked)
        parcel.arrived.set()


async def installed(
    system: System, parcels: Sequence[Parcel], http: Folder, spec: Spec, packing: Packing, *, verify: bool
) -> None:
    """Write all images. Nothing is written before it is known that each has its device and fits.

    Raises:
        PassingError: the network failed, or the board hung.
        BenchError: one could not be written, or a command of the bundle failed.
    """
    devices = [await system.device(parcel.name, parcel.place) for parcel in parcels]
    for parcel, device in zip(parcels, devices, strict=True):
        await parcel.arrived.wait()
        await fits(system, parcel.name, device, parcel.image.written.size)
    await system.all(spec.preflash_commands, "the preflash command")
    for parcel, device in zip(parcels, devices, strict=True):
        await written(system, device, await http.url(parcel.file), parcel.image, packing)
        if verify:
            await verified(system, device, parcel.image)
        await system.all([f"export target={device}", *spec.postflash_commands], "the postflash command")
