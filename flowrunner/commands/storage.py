"""Writing images to a part."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flowrunner.commands.command import JSON, Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import show
from flowrunner.commands.reading import usage
from flowrunner.device import Device
from flowrunner.interfaces.storage import BoardFlasher, Flasher, Written
from flowrunner.model import Size

if TYPE_CHECKING:
    from flowrunner.image import OpenImage

REPORT = 0.2
"""Seconds between two reports of progress."""

TARGETS = Parameter(
    "target", Sequence[str], (), "The part of the storage, its default when left out; TARGET:FILE for several images"
)
CHECKSUM = Parameter("checksum", str | None, None, "That of the stored file, such as sha256:9f86...")
BMAP = Parameter("bmap", str, "auto", "A block map: a path or URL; none for none; auto takes one beside the image")
TOKEN = Parameter("token", bytes | None, None, "The token of a web server that wants one; @FILE for what is in a file")
SPELLINGS = {"-t": "--target", "--partition": "--target", "--bearer": "--token"}


def flash_command(word: str = "flash") -> Command:
    """`flash FILE`: write an image, a path or a URL, packed or not; `flash -t TARGET:FILE ...` writes several."""
    help = (
        "Write an image to the part's storage, or several: -t boot:boot.img -t root:root.img.zst.\n\n"
        "Behind a mux the storage is connected to the host before and to the target after, also after a failure."
    )
    file = Parameter("file", str | None, None, "A path or a URL; it may be packed with gzip, xz, zstd or bzip2")
    options = (TARGETS, CHECKSUM, BMAP, TOKEN, JSON)
    return Command(word, help, (file,), _flash, options, SPELLINGS, check=_check)


def _check(values: Mapping[str, Any]) -> None:
    targets = values.get("target", ())
    if len(_wanted(values)) < len(targets):
        raise usage("two images for one target", "name each target once")
    if "checksum" in values and len(targets) > 1:
        raise usage("--checksum is that of one image", "flash them one by one, or by a pipeline")


def _wanted(values: Mapping[str, Any]) -> dict[str | None, str]:
    """The files by target, None for the default one.

    Raises:
        PipelineError: the words make no sense.
    """
    targets, file = values.get("target", ()), values.get("file")
    if file is not None and len(targets) > 1:
        raise usage(f"'{file}' cannot go to {len(targets)} targets", "write each as --target TARGET:FILE")
    if file is not None:
        return {next(iter(targets), None): file}
    if not targets:
        raise usage("what is to be flashed is missing", "name a FILE, or several: -t boot:boot.img -t root:root.img")
    found: dict[str | None, str] = {}
    for word in targets:
        target, _, path = word.partition(":")
        if not (target and path):
            raise usage(f"'{word}' names no file", "write TARGET:FILE, or FILE --target TARGET")
        found[target] = path
    return found


async def _flash(node: Device, values: Mapping[str, Any]) -> int:
    from flowrunner.image.connected import connected

    flasher, wanted = cast("Flasher", node.client), _wanted(values)
    async with AsyncExitStack() as stack:
        if isinstance(flasher, BoardFlasher) and len(wanted) > 1:
            images = {str(target): await _opened(file, values, stack) for target, file in wanted.items()}
            async with progress("flashed", lambda: _read(list(images.values()))):
                done = await flasher.flash_all(images)
            for target, written in done.items():
                _say(node, target, written, images[target], values)
            return 0
        for part, file in wanted.items():
            image = await _opened(file, values, stack)
            async with connected(flasher), progress("flashed", lambda: _read([image])):  # noqa: B023 - used within
                written = await flasher.flash(image, part)
            _say(node, part, written, image, values)
    return 0


async def _opened(file: str, values: Mapping[str, Any], stack: AsyncExitStack) -> OpenImage:
    from flowrunner.image import open_image  # opendal and the codecs cost other commands too much

    options = {name: values[name] for name in ("checksum", "bmap") if name in values}
    options["token"] = values["token"].decode().strip() if "token" in values else None
    return await stack.enter_async_context(open_image(file, base=Path.cwd(), **options))


def _read(images: Sequence[OpenImage]) -> tuple[int, int | None]:
    totals = [image.progress[1] or 0 for image in images]
    return sum(image.progress[0] for image in images), sum(totals) if all(totals) else None


def _say(node: Device, part: str | None, written: Written, image: OpenImage, values: Mapping[str, Any]) -> None:
    if values.get("json"):
        show({**written.model_dump(), "digest": image.digest}, as_json=True)
    else:
        place = node.name if part is None else f"{node.name}, {part}"
        print(f"{Size(written.size)} flashed to {place}, {Size(written.written)} of it written")


@asynccontextmanager
async def progress(verb: str, measure: Any) -> AsyncIterator[None]:
    """Show how far it is on a terminal."""
    if not sys.stderr.isatty():
        yield
        return

    async def report() -> None:
        while True:
            await asyncio.sleep(REPORT)
            done, total = measure()
            part = f"{Size(done)} of {Size(total)}" if total else str(Size(done))
            print(f"\r\x1b[K{part} {verb}", end="", file=sys.stderr, flush=True)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
