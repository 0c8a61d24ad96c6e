"""Files below one folder, which no name leads out of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T", bound=AbstractContextManager[Any, Any])


class LeadsOut(PermissionError):
    """A name that leads out of the folder."""


class NotAFile(FileNotFoundError):
    """A folder, a socket, a device."""


def inside(root: Path, name: str) -> Path:
    """Where `name` is below `root`, symbolic links followed. It may be missing.

    Raises:
        LeadsOut: it is absolute, has `..` in it, or a link leads out.
        FileNotFoundError: it cannot be the name of a file.
    """
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise LeadsOut(f"'{name}' leads out of the served folder")
    if "\0" in name:
        raise FileNotFoundError(f"'{name!r}' is no name of a file")
    top = root.resolve()
    try:
        place = (top / name).resolve()
    except (OSError, RuntimeError) as error:  # a circle of links
        raise FileNotFoundError(f"'{name}' cannot be followed") from error
    if not place.is_relative_to(top):
        raise LeadsOut(f"'{name}' leads out of the served folder")
    return place


def open_inside(root: Path, name: str) -> BinaryIO:
    """Open a regular file below `root`. Blocks on a slow disk.

    Raises:
        LeadsOut: the name leads out.
        NotAFile: it is no regular file.
        OSError: there is none, or it may not be read.
    """
    # O_NOFOLLOW: `inside` followed all links already. O_NONBLOCK: a FIFO without a writer would hang.
    number = os.open(inside(root, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not S_ISREG(os.fstat(number).st_mode):
            raise NotAFile(f"'{name}' is no file")
        return open(number, "rb", buffering=0)  # noqa: PTH123 - a descriptor
    except BaseException:
        os.close(number)
        raise


async def in_thread(opening: Callable[[], T]) -> T:
    """What `opening` opens, in a thread; when we are cancelled meanwhile, it is closed as soon as it is open."""
    opened = asyncio.ensure_future(asyncio.to_thread(opening))
    try:
        return await asyncio.shield(opened)
    except asyncio.CancelledError:
        opened.add_done_callback(_closed)
        raise


def _closed(opened: asyncio.Future[Any]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        with opened.result():
            pass
