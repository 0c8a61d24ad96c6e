"""Looking at a console that somebody uses."""

from __future__ import annotations

import anyio
import pytest

from flowrunner.console import watched
from flowrunner.console.watched import WatchedConsole
from flowrunner.errors import BenchError
from tests.support.consoles import FedConsole
from tests.support.machines import read_until

pytestmark = pytest.mark.anyio


async def test_who_watches_sees_what_came_before_and_what_its_user_reads() -> None:
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.connect() as user:
        inner.feed(b"before ")
        await read_until(user, b"before ")
        async with console.watch() as one, console.watch() as other:
            inner.feed(b"after")
            assert await read_until(user, b"after") == b"after"
            assert await read_until(one, b"after") == await read_until(other, b"after") == b"before after"
    assert inner.connections == 1


async def test_watching_begins_before_and_goes_on_behind_the_one_who_uses_it() -> None:
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.watch() as watcher:
        for said in (b"first", b"second"):
            async with console.connect() as user:
                inner.feed(said)
                await read_until(user, said)
        assert await read_until(watcher, b"second") == b"firstsecond"


async def test_nothing_can_be_sent_by_who_watches() -> None:
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.connect(), console.watch() as watcher:
        with pytest.raises(BenchError, match="only watched"):
            await watcher.send(b"reboot\n")
    assert inner.sent == b""


async def test_who_watches_slowly_loses_some_and_is_told_and_nobody_waits_for_him(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watched, "KEPT", 10)
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.connect() as user, console.watch() as slow:
        for piece in (b"12345678", b"lost", b"!", b"too"):
            inner.feed(piece)
            with anyio.fail_after(5):
                assert await user.receive() == piece
        assert await slow.receive() == b"12345678\r\n[8 bytes were lost: this reader is too slow]\r\n"
        inner.feed(b"again")
        await user.receive()
        assert await slow.receive() == b"again"


async def test_where_several_use_it_each_byte_is_seen_once() -> None:
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.connect() as first, console.connect() as second, console.watch() as watcher:
        inner.feed(b"a")
        assert await first.receive() == b"a"
        inner.feed(b"a")
        assert await second.receive() == b"a"
        inner.feed(b"b")
        assert await first.receive() == b"b"
        assert await watcher.receive() == b"ab"


async def test_only_a_little_of_the_past_is_kept() -> None:
    inner = FedConsole()
    console = WatchedConsole(inner)
    async with console.connect() as user:
        for _ in range(5):
            inner.feed(b"x" * watched.RECENT)
            await user.receive()
        async with console.watch() as watcher:
            assert len(await watcher.receive()) == watched.RECENT
