"""Writing a medium of the host and reading it: what the drivers of this family share."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import anyio
import anyio.to_thread

from flowrunner.driver import Config
from flowrunner.errors import BenchError, near
from flowrunner.image import Medium, write_image
from flowrunner.image.linux import forget
from flowrunner.interfaces.storage import Image, Written
from flowrunner.model import FilePath, Seconds, Size
from flowrunner_drivers.storage._place import Place

CHUNK = 1 << 20


class MediumConfig(Config):
    """The medium."""

    path: FilePath
    """A block device such as `/dev/disk/by-id/usb-...`, or a file, which is made when it is not there."""

    targets: dict[str, FilePath] = {}
    """Further media by name, such as `boot0: /dev/mmcblk0boot0`: what a target of an image stands for."""

    size: Size | None = None
    """The size of a file that stands for a medium; without one the file takes the size of each image."""

    timeout: Seconds = 10.0
    """Seconds that a device may take to appear, and to have a medium in it."""

    fsync_timeout: Seconds = 900.0
    """Seconds that the device may take until all data is on the medium."""

    leeway: Seconds = 6.0
    """Seconds that a device is left alone after it was written, for readers that say they are done too early."""


async def flash(config: MediumConfig, image: Image, target: str | None) -> Written:
    """Write `image` to the medium, or to one of its targets, and wait until it is on it.

    Raises:
        BenchError: there is no such target, the medium is not there or gone, or the image does not fit.
    """
    place = _place(config, target)
    async with place.opened(os.O_RDWR) as handle:
        medium = await anyio.to_thread.run_sync(Medium, handle, str(place.path), config.size)
        written = await write_image(image, medium, sync_timeout=config.fsync_timeout)
    if place.is_device():
        await anyio.sleep(config.leeway)
    return written


async def dump(config: MediumConfig, target: str | None, length: int | None) -> AsyncGenerator[bytes]:
    """The content of the medium or of one of its targets: `length` bytes, or all of it.

    Raises:
        BenchError: there is no such target, the medium is not there or gone, or is shorter.
    """
    place = _place(config, target)
    async with place.opened(os.O_RDONLY) as handle:
        if place.is_device():
            await anyio.to_thread.run_sync(forget, handle)
        at = 0
        while length is None or at < length:
            count = CHUNK if length is None else min(CHUNK, length - at)
            data = await anyio.to_thread.run_sync(place.read, handle, count, at)
            if not data and length is not None:
                raise BenchError(f"'{place.path}' has only {at} bytes, {length} were asked for")
            if not data:
                return
            yield data
            at += len(data)


def _place(config: MediumConfig, target: str | None) -> Place:
    known = config.targets
    if target is not None and target not in known:
        what = f"'{config.path}' has no target '{target}'"
        raise BenchError(
            what, blame="config", help=near(target, known) if known else "it is one medium: leave target out"
        )
    return Place(config.path if target is None else known[target], config.timeout)
