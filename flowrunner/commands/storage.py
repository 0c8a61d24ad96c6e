"""Writing an image to a part, and reading it back into a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread

from flowrunner.commands.command import JSON, Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import show
from flowrunner.commands.reading import usage
from flowrunner.device import Device
from flowrunner.interfaces.storage import BoardFlasher, Flasher, Written
from flowrunner.model import Size

if TYPE_CHECKING:
    from flowrunner.image import OpenImage

GATHER = 4 << 20
"""Bytes of a dump that are written at once."""

REPORT = 0.2
"""Seconds between two reports of progress."""

TARGET = Parameter("target", str | None, None, "The part of the storage, its default when left out")
TARGETS = Parameter(
    "target", Sequence[str], (), "The part of the storage, its default when left out; TARGET:FILE for several images"
)
CHECKSUM = Parameter("checksum", str | None, None, "That of the stored file, such as sha256:9f86...")
BMAP = Parameter("bmap", str, "auto", "A block map: a path or URL; none for none; auto takes one beside the image")
TOKEN = Parameter("token", bytes | None, None, "The token of a web server that wants one; @FILE for what is in a file")
LENGTH = Parameter("length", int | None, None, "How much is read from its start, such as 64MiB; all when left out")
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


def dump_command(word: str = "dump") -> Command:
    """`dump FILE`: read the storage into a file."""
    file = Parameter("file", str, help="The file; its suffix .gz, .xz, .zst or .bz2 packs it")
    return Command(word, "Read the part's storage into a file.", (file,), _dump, (TARGET, LENGTH, JSON), SPELLINGS)


def _check(values: Mapping[str, Any]) -> None:
    targets, file = values.get("target", ()), values.get("file")
    if file is None and not targets:
        raise usage("what is to be flashed is missing", "name a FILE, or several: -t boot:boot.img -t root:root.img")
    if file is not None and len(targets) > 1:
        raise usage(f"'{file}' cannot go to {len(targets)} targets", "write each as --target TARGET:FILE")
    if file is None and len(_several(targets)) < len(targets):
        raise usage("two images for one target", "name each target once")
    if file is None and "checksum" in values and len(targets) > 1:
        raise usage("--checksum is that of one image", "flash them one by one, or by a pipeline")


def _several(targets: Sequence[str]) -> dict[str, str]:
    """The files by target that `TARGET:FILE` stand for."""
    found = {}
    for word in targets:
        target, colon, file = word.partition(":")
        if not (target and colon and file):
            raise usage(f"'{word}' names no file", "write TARGET:FILE, or FILE --target TARGET")
        found[target] = file
    return found


async def _flash(node: Device, values: Mapping[str, Any]) -> int:
    from flowrunner.image.connected import connected

    flasher, targets = cast("Flasher", node.client), values.get("target", ())
    file = values.get("file")
    several = _several(targets) if file is None else {}
    async with AsyncExitStack() as stack:
        if isinstance(flasher, BoardFlasher) and len(several) > 1:
            images = {target: await _opened(each, values, stack) for target, each in several.items()}
            async with _progress("flashed", lambda: _read(list(images.values()))):
                done = await flasher.flash_all(images)
            for target, written in done.items():
                _say(f"{node.name}, {target}", written, images[target], values)
            return 0
        alone: list[tuple[str | None, str]] = [] if file is None else [(next(iter(targets), None), file)]
        for part, each in alone or several.items():
            image = await _opened(each, values, stack)
            async with connected(flasher), _progress("flashed", lambda: _read([image])):  # noqa: B023 - used within
                written = await flasher.flash(image, part)
            _say(node.name if part is None else f"{node.name}, {part}", written, image, values)
    return 0


async def _opened(file: str, values: Mapping[str, Any], stack: AsyncExitStack) -> OpenImage:
    from flowrunner.image import open_image  # opendal and the codecs cost other commands too much

    options = {name: values[name] for name in ("checksum", "bmap") if name in values}
    options["token"] = values["token"].decode().strip() if "token" in values else None
    return await stack.enter_async_context(open_image(file, base=Path.cwd(), **options))


def _read(images: Sequence[OpenImage]) -> tuple[int, int | None]:
    totals = [image.progress[1] or 0 for image in images]
    return sum(image.progress[0] for image in images), sum(totals) if all(totals) else None


def _say(place: str, written: Written, image: OpenImage, values: Mapping[str, Any]) -> None:
    if values.get("json"):
        show({**written.model_dump(), "digest": image.digest}, as_json=True)
    else:
        print(f"{Size(written.size)} flashed to {place}, {Size(written.written)} of it written")


async def _dump(node: Device, values: Mapping[str, Any]) -> int:
    from flowrunner.image.connected import connected
    from flowrunner.image.pack import packing

    flasher = cast("Flasher", node.client)
    total: int | None = values.get("length")
    waiting, size, path = bytearray(), 0, Path(values["file"])
    try:
        with _whole(path), packing(path) as sink:
            pieces = cast("AsyncGenerator[bytes, None]", flasher.dump(values.get("target"), total))
            async with connected(flasher), _progress("dumped", lambda: (size, total)), aclosing(pieces):
                async for piece in pieces:
                    size += len(piece)
                    waiting += piece
                    if len(waiting) >= GATHER:
                        await anyio.to_thread.run_sync(sink.write, bytes(waiting))
                        waiting.clear()
            await anyio.to_thread.run_sync(sink.write, bytes(waiting))
    except OSError as error:
        raise usage(f"'{values['file']}' could not be written: {error.strerror}") from error
    if values.get("json"):
        show({"file": values["file"], "bytes": size}, as_json=True)
    else:
        print(f"{Size(size)} of {node.name} dumped to {values['file']}")
    return 0


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Leave no half of a file behind."""
    try:
        yield
    except BaseException:
        if path.is_file():
            path.unlink()
        raise


@asynccontextmanager
async def _progress(verb: str, measure: Any) -> AsyncIterator[None]:
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
