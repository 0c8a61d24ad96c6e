"""A link keeps its promise whatever its connections do: each message once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.remote.link.link import Link
from flowrunner.remote.link.packet import Kind, pack, pack_content, pack_head, unpack


class Pipe:
    """One end of a connection within this process; `budget` messages pass, then both ends break."""

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue(4)
        self.far: Pipe = self
        self.broken = False

    async def read(self) -> bytes | None:
        return await self.incoming.get()

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionError("broken")
        if not self.left:
            for end in (self, self.far):
                end.broken = True
                while not end.incoming.empty():
                    end.incoming.get_nowait()
                end.incoming.put_nowait(None)
            raise ConnectionError("broken")
        self.left -= 1
        await self.far.incoming.put(data)


def connection(left: int, right: int) -> tuple[Pipe, Pipe]:
    one, two = Pipe(left), Pipe(right)
    one.far, two.far = two, one
    return one, two


async def connected(left: Link, right: Link, budgets: list[tuple[int, int]], done: Callable[[], bool]) -> None:
    """Carry both over one connection after the other; the last one holds."""
    for budget in [*budgets, (10**6, 10**6)]:
        one, two = connection(*budget)
        carrying = [
            asyncio.create_task(left.carry(one, right.received)),
            asyncio.create_task(right.carry(two, left.received)),
        ]
        while not done() and not any(task.done() for task in carrying):
            await asyncio.sleep(0)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


@given(
    st.lists(st.binary(max_size=40), max_size=30),
    st.lists(st.integers(), max_size=30),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_delivers_each_message_once_and_in_order_over_connections_that_break(
    there: list[bytes], back: list[int], budgets: list[tuple[int, int]]
) -> None:
    back = [number % 2**63 for number in back]
    got_there: list[Any] = []
    got_back: list[Any] = []

    async def main() -> None:
        left = Link(lambda kind, channel, body: got_back.append(body), beat=60)
        right = Link(lambda kind, channel, body: got_there.append(body), beat=60)
        for body in there:
            left.post(Kind.DATA, 1, body)
        for number in back:
            right.post(Kind.ITEM, 1, number)
        await connected(left, right, budgets, lambda: len(got_there) == len(there) and len(got_back) == len(back))

    anyio.run(main)
    assert got_there == there
    assert got_back == back


async def quiet_link(got: list[Any] | None = None) -> Link:
    return Link(lambda kind, channel, body: (got if got is not None else []).append(body), beat=60)


async def carry_only(link: Link, *messages: bytes, received: int = 0) -> None:
    one, two = connection(10, 10)
    for message in messages:
        await one.write(message)
    two.incoming.put_nowait(None)
    await link.carry(two, received)


def packet(sequence: int, received: int, body: Any = None) -> bytes:
    return pack_head(sequence, received, more=True) + pack_content(Kind.DATA, 1, body)


@pytest.mark.parametrize(
    "message",
    [b"\xc1", b"\x92\x01", pack([1, 0, 99, 1, None]), pack({"a": 1}), pack([-1, 0]), packet(3, 0), pack_head(0, 5)],
    ids=["no msgpack", "cut", "unknown kind", "a map", "negative", "a gap", "acknowledges what was never sent"],
)
def test_refuses_what_is_no_message_of_a_link(message: bytes) -> None:
    async def main() -> None:
        with pytest.raises(ValueError):
            await carry_only(await quiet_link(), message)

    anyio.run(main)


def test_takes_a_message_that_came_twice_once() -> None:
    async def main() -> None:
        got: list[Any] = []
        await carry_only(await quiet_link(got), packet(1, 0, "a"), packet(1, 0, "a") + packet(2, 0, "b"))
        assert got == ["a", "b"]

    anyio.run(main)


def test_refuses_a_far_end_that_has_lost_what_it_had() -> None:
    async def main() -> None:
        link = await quiet_link()
        link.post(Kind.DATA, 1, b"x")
        await carry_only(link, pack_head(0, 1))
        with pytest.raises(ValueError, match="lost what it had"):
            await carry_only(link, received=0)

    anyio.run(main)


def test_makes_the_sender_wait_while_too_much_is_on_its_way() -> None:
    async def main() -> None:
        link = await quiet_link()
        sent = 0
        with anyio.move_on_after(0.05):
            while True:
                await link.send(Kind.DATA, 1, bytes(1024 * 1024))
                sent += 1
        assert 16 <= sent <= 18

    anyio.run(main)


def test_says_at_once_what_cannot_cross_and_sends_the_rest() -> None:
    async def main() -> None:
        got: list[Any] = []
        link, far = await quiet_link(), await quiet_link(got)
        with pytest.raises(ValueError, match="cannot cross"):
            link.post(Kind.DATA, 1, object())
        with pytest.raises(ValueError, match="cannot cross"):
            link.post(Kind.DATA, 1, 2**70)
        link.post(Kind.DATA, 1, "fine")
        await connected(link, far, [], lambda: got == ["fine"])

    anyio.run(main)


@given(st.binary(max_size=200))
def test_random_bytes_are_packets_or_a_clear_error(data: bytes) -> None:
    try:
        for found in unpack(data):
            assert found.sequence >= 0
    except ValueError as error:
        assert str(error)
