"""Back-pressure: who waits for the far end is woken when it takes nothing any more."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from flowrunner.remote.link.flow import Credit, pieces
from flowrunner.remote.link.link import WINDOW, Link
from flowrunner.remote.link.packet import Kind


async def test_who_waits_for_credit_is_told_that_the_far_end_has_ended() -> None:
    credit = Credit(1)
    await credit.spend(2)
    waiting = asyncio.create_task(credit.spend(1))
    await anyio.lowlevel.checkpoint()
    credit.end()
    with pytest.raises(anyio.BrokenResourceError):
        await waiting


async def test_who_waits_for_room_is_told_that_the_link_has_ended() -> None:
    link = Link(lambda kind, channel, body: None, beat=1)
    await link.send(Kind.DATA, 1, bytes(WINDOW + 1))
    waiting = asyncio.create_task(link.send(Kind.DATA, 1, b"more"))
    await anyio.lowlevel.checkpoint()
    assert not waiting.done()
    link.end()
    with pytest.raises(anyio.BrokenResourceError):
        await waiting


@pytest.mark.parametrize(
    ("data", "found"), [(b"", [b""]), (b"abc", [b"abc"]), (b"abcd", [b"abc", b"d"]), (b"abcdef", [b"abc", b"def"])]
)
def test_pieces_are_as_large_as_they_may_be(data: bytes, found: list[bytes]) -> None:
    assert list(pieces(data, 3)) == found
