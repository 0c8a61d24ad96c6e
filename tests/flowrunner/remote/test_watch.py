"""Looking on at an exporter that somebody else has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.remote.client.remote import Claim
from tests.support.machines import read_until
from tests.support.served import served

BOARD = """
export:
  power: {type: power.command, config: {"on": "true", "off": "true"}}
  console: {type: console.process, config: {command: [sh, -c, "stty raw -echo; echo ready; exec cat"]}}
"""
MINE = Claim(role="dut", owner="alice")
WATCHING = Claim(role="dut", owner="bob", watch=True)


def nobody(owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


def test_who_watches_may_do_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            served(tmp_path, BOARD) as exporter, exporter.remote().leased(MINE, nobody),
            exporter.remote().leased(WATCHING, nobody) as watching,
        ):  # fmt: skip
            with pytest.raises(BenchError, match="in use by alice"):
                await cast("Power", watching.device.at("power").client).on()
            with pytest.raises(BenchError, match="in use by alice"):
                async with cast("Console", watching.device.at("console").client).connect():
                    pass
            async with cast("Console", watching.device.at("console").client).watch() as seen:
                await seen.send(b"reboot\n")
                with pytest.raises(BenchError, match="only watched"):
                    await seen.receive()

    with_limit(main)


def test_what_is_watched_ends_with_the_lease_and_one_can_watch_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, BOARD) as exporter:
            for _ in range(2):
                async with anyio.create_task_group() as tasks:
                    told, seen = anyio.Event(), anyio.Event()

                    async def watch(told: anyio.Event = told, seen: anyio.Event = seen) -> None:
                        def waiting(owner: str, position: int) -> None:
                            assert owner == "", "nobody has it yet"
                            told.set()

                        async with exporter.remote().leased(WATCHING, waiting) as watching:
                            async with cast("Console", watching.device.at("console").client).watch() as stream:
                                await read_until(stream, b"ready\n")
                                seen.set()
                                with pytest.raises(anyio.EndOfStream):
                                    await stream.receive()
                            assert not watching.lost.is_set()

                    tasks.start_soon(watch)
                    await told.wait()
                    async with (
                        exporter.remote().leased(MINE, nobody) as mine,
                        cast("Console", mine.device.at("console").client).connect() as console,
                    ):
                        await read_until(console, b"ready\n")
                        await seen.wait()

    with_limit(main)


def test_one_who_gives_up_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, BOARD) as exporter:
            with anyio.CancelScope() as scope:
                async with exporter.remote().leased(WATCHING, lambda owner, position: scope.cancel()):
                    raise AssertionError("there is nobody to watch")
            async with exporter.remote().leased(MINE, nobody):
                pass

    with_limit(main)


def with_limit(main: Callable[[], Awaitable[None]]) -> None:
    """Run it; a watcher that is never let go of is an error and no test that hangs."""

    async def limited() -> None:
        with anyio.fail_after(30):
            await main()

    anyio.run(limited)
