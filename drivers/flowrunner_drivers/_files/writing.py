"""Writing a file as it comes."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import gathered
from flowrunner_drivers._files.faults import told

GATHER = 1 << 20
"""Bytes that are written at once, where the store does not want more."""


WHOLE = 1 << 30
"""Bytes of the largest file for a store that takes them only in one piece, such as WebDAV."""


async def write(operator: Any, path: str, content: AsyncIterable[bytes], *, atomic: bool) -> int:
    """Write all of `content`; `atomic` writes beside `path` first, so that a broken write leaves the old file."""
    if not operator.capability().write_can_multi:
        return await _write_whole(operator, path, content)
    beside = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)[:200]}.{secrets.token_hex(4)}.part")
    place = beside if atomic else path
    try:
        with told("written", path):
            file = await operator.open(place, "wb")
        size = 0
        async for piece in gathered(content, _least(operator)):
            with told("written", path):
                await file.write(piece)
            size += len(piece)
        with told("written", path):
            await file.close()
            if atomic:
                await operator.rename(place, path)
    except BaseException:
        with anyio.CancelScope(shield=True), suppress(Exception):
            if atomic:
                await operator.delete(place)
        raise
    return size


async def _write_whole(operator: Any, path: str, content: AsyncIterable[bytes]) -> int:
    data = bytearray()
    async for piece in content:
        data += piece
        if len(data) > WHOLE:
            raise BenchError(f"'{path}' is too large: this store takes {WHOLE >> 20} MiB at most", blame="config")
    with told("written", path):
        await operator.write(path, bytes(data))
    return len(data)


async def append(operator: Any, path: str, content: AsyncIterable[bytes]) -> int:
    """Write `content` behind what is there."""
    if not operator.capability().write_can_append:
        raise BenchError("this store cannot append to a file", blame="config", help="write the whole file")
    size = 0
    async for piece in gathered(content, _least(operator)):
        with told("written", path):
            await operator.write(path, piece, append=True)
        size += len(piece)
    return size


def _least(operator: Any) -> int:
    """Bytes that the store takes at least in each piece but the last."""
    least: int | None = operator.capability().write_multi_min_size
    return max(GATHER, least or 0)
