"""What every console does."""

from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from tests.conformance.rigs import Rig, opened, over, running
from tests.support.machines import read_until

pytestmark = pytest.mark.anyio


@over(Console)
async def test_what_is_typed_comes_back(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (_, stream):
        await stream.send(b"hello")
        assert await read_until(stream, b"hello") == b"hello"


@over(Console)
async def test_an_empty_send_is_nothing(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (_, stream):
        await stream.send(b"")
        await stream.send(b"x")
        assert await read_until(stream, b"x") == b"x"


@over(Console)
async def test_waiting_for_output_can_be_given_up_and_loses_nothing(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (_, stream):
        for _ in range(3):
            with anyio.move_on_after(0.02) as limit:
                await stream.receive()
            assert limit.cancelled_caught
        await stream.send(b"still here")
        assert await read_until(stream, b"still here") == b"still here"


@over(Console)
async def test_can_be_connected_again(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        console = bench.client(Console, path)
        for _ in range(3):
            async with console.connect():
                pass
        async with console.connect() as stream:
            if rig.boots is not None:
                await bench.client(Power).on()
                await read_until(stream, rig.boots)
            await stream.send(b"again")
            assert await read_until(stream, b"again") == b"again"


@over(Console)
async def test_never_splits_its_bytes_between_two_readers(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (bench, first):
        try:
            async with bench.client(Console, path).connect() as second:
                await second.send(b"second")
                assert await read_until(second, b"second") == b"second"
        except BenchError:
            pass
        await first.send(b"first")
        assert await read_until(first, b"first") == b"first"


@over(Console, boots=True)
async def test_its_stream_lives_through_a_power_cycle(rig: Rig, path: str, tmp_path: Path) -> None:
    async with running(rig, path, tmp_path) as (bench, stream):
        assert rig.boots is not None
        for _ in range(2):
            await bench.client(Power).cycle(off_for=0)
            await read_until(stream, rig.boots)
            await stream.send(b"up")
            assert await read_until(stream, b"up") == b"up"


@over(Console)
async def test_the_error_of_who_uses_it_passes_unchanged(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        with pytest.raises(KeyError):
            async with bench.client(Console, path).connect():
                raise KeyError("mine")
