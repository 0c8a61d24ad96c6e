"""Writing an image to a part, and reading it back into a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import anyio.to_thread

from flowrunner.commands.command import JSON, Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import show
from flowrunner.commands.reading import usage
from flowrunner.device import Device
from flowrunner.interfaces.storage import Flasher
from flowrunner.model import Size

GATHER = 4 << 20
"""Bytes of a dump that are written at once."""

REPORT = 0.2
"""Seconds between two reports of progress."""

TARGET = Parameter("target", str | None, None, "The part of the storage, its default when left out")
CHECKSUM = Parameter("checksum", str | None, None, "That of the stored file, such as sha256:9f86...")
BMAP = Parameter("bmap", str, "auto", "A block map: a path or URL; none for none; auto takes one beside the image")
LENGTH = Parameter("length", int | None, None, "How much is read from its start, such as 64MiB; all when left out")
SPELLINGS = {"-t": "--target", "--partition": "--target"}


def flash_command(word: str = "flash") -> Command:
    """`flash FILE`: write an image, a path or a URL, packed or not."""
    help = (
        "Write an image to the part's storage.\n\n"
        "Behind a mux the storage is connected to the host before and to the target after, also after a failure."
    )
    file = Parameter("file", str, help="A path or a URL; it may be packed with gzip, xz, zstd or bzip2")
    return Command(word, help, (file,), _flash, (TARGET, CHECKSUM, BMAP, JSON), SPELLINGS)


def dump_command(word: str = "dump") -> Command:
    """`dump FILE`: read the storage into a file."""
    file = Parameter("file", str, help="The file; its suffix .gz, .xz, .zst or .bz2 packs it")
    return Command(word, "Read the part's storage into a file.", (file,), _dump, (TARGET, LENGTH, JSON), SPELLINGS)


async def _flash(node: Device, values: Mapping[str, Any]) -> int:
    from flowrunner.image import open_image  # opendal and the codecs cost other commands too much
    from flowrunner.image.connected import connected

    flasher = cast("Flasher", node.client)
    options = {name: values[name] for name in ("checksum", "bmap") if name in values}
    async with (
        open_image(values["file"], base=Path.cwd(), **options) as image,
        connected(flasher),
        _progress("flashed", lambda: image.progress),
    ):
        written = await flasher.flash(image, values.get("target"))
    if values.get("json"):
        show({**written.model_dump(), "digest": image.digest}, as_json=True)
    else:
        print(f"{Size(written.size)} flashed to {node.name}, {Size(written.written)} of it written")
    return 0


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
