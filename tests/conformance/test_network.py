"""What every network does."""

from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, end_sending, has_borders
from flowrunner.interfaces.network import Network
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


async def exactly(stream: ByteStream, count: int) -> bytes:
    """The next `count` bytes, or a little more."""
    data = b""
    with anyio.fail_after(5):
        while len(data) < count:
            data += await stream.receive()
    return data


@over(Network)
async def test_what_is_said_is_answered(rig: Rig, path: str, tmp_path: Path) -> None:
    assert rig.talk
    said, answer = rig.talk
    async with opened(rig, tmp_path) as bench, bench.client(Network, path).connect() as stream:
        await stream.send(said)
        assert (await exactly(stream, len(answer))).startswith(answer)


@over(Network)
async def test_each_stream_is_a_connection_of_its_own(rig: Rig, path: str, tmp_path: Path) -> None:
    assert rig.talk
    said, answer = rig.talk
    async with opened(rig, tmp_path) as bench:
        network = bench.client(Network, path)
        async with network.connect() as first:
            async with network.connect() as second:
                await second.send(said)
                assert (await exactly(second, len(answer))).startswith(answer)
            with anyio.move_on_after(0.05) as limit:
                await first.receive()
            assert limit.cancelled_caught
            await first.send(said)
            assert (await exactly(first, len(answer))).startswith(answer)


@over(Network)
async def test_much_comes_through_in_order(rig: Rig, path: str, tmp_path: Path) -> None:
    if rig.talk != (b"hello", b"hello"):
        return
    async with opened(rig, tmp_path) as bench, bench.client(Network, path).connect() as stream:
        pieces = [bytes([count % 251]) * 9000 for count in range(300)]
        step = 1 if has_borders(stream) else len(pieces)

        async def send() -> None:
            for piece in pieces:
                await stream.send(piece)

        if step == 1:
            for piece in pieces:
                await stream.send(piece)
                assert await stream.receive() == piece
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            assert await exactly(stream, 9000 * 300) == b"".join(pieces)


@over(Network)
async def test_its_check_and_its_address_answer(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        network = bench.client(Network, path)
        await network.check()
        await network.wait(timeout=1)
        try:
            assert ":" in await network.address()
        except BenchError as error:
            assert error.blame == "config"


@over(Network)
async def test_the_error_of_who_uses_it_passes_unchanged(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        with pytest.raises(KeyError):
            async with bench.client(Network, path).connect():
                raise KeyError("mine")


@over(Network)
async def test_half_closing_leaves_the_answer_to_be_read(rig: Rig, path: str, tmp_path: Path) -> None:
    assert rig.talk
    said, answer = rig.talk
    async with opened(rig, tmp_path) as bench, bench.client(Network, path).connect() as stream:
        await stream.send(said)
        await end_sending(stream)
        assert (await exactly(stream, len(answer))).startswith(answer)
