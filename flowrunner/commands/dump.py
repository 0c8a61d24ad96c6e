"""Reading a part's storage into a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, cast

import anyio.to_thread

from flowrunner.commands.command import JSON, Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import show
from flowrunner.commands.reading import usage
from flowrunner.commands.storage import SPELLINGS, progress
from flowrunner.device import Device
from flowrunner.interfaces.storage import Flasher
from flowrunner.model import Size

GATHER = 4 << 20
"""Bytes of a dump that are written at once."""

TARGET = Parameter("target", str | None, None, "The part of the storage, its default when left out")
LENGTH = Parameter("length", int | None, None, "How much is read from its start, such as 64MiB; all when left out")


def dump_command(word: str = "dump") -> Command:
    """`dump FILE`: read the storage into a file."""
    file = Parameter("file", str, help="The file; its suffix .gz, .xz, .zst or .bz2 packs it")
    return Command(word, "Read the part's storage into a file.", (file,), _dump, (TARGET, LENGTH, JSON), SPELLINGS)


async def _dump(node: Device, values: Mapping[str, Any]) -> int:
    from flowrunner.image.connected import connected
    from flowrunner.image.pack import packing

    flasher = cast("Flasher", node.client)
    total: int | None = values.get("length")
    waiting, size, path = bytearray(), 0, Path(values["file"])
    try:
        with _whole(path), packing(path) as sink:
            pieces = cast("AsyncGenerator[bytes, None]", flasher.dump(values.get("target"), total))
            async with connected(flasher), progress("dumped", lambda: (size, total)), aclosing(pieces):
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
