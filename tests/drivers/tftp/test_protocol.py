"""What the RFCs say, packet by packet, and what goes wrong on a network."""

import asyncio
import itertools
import os
import random
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from flowrunner_drivers.tftp.server import Tftp
from tests.support.lossy import Lossy
from tests.support.tftp import DATA, ERROR, OACK, WRQ, Client, ack, request

pytestmark = pytest.mark.anyio

T = TypeVar("T")
CONTENT = os.urandom(120_000)


@asynccontextmanager
async def served(tmp_path: Path, **config: Any) -> AsyncIterator[tuple[str, int]]:
    driver = Tftp.make({"root_dir": tmp_path / "root", "host": "127.0.0.1", "port": 0, "timeout": 0.1, **config})
    assert isinstance(driver, Tftp)
    async with driver.opened():
        (tmp_path / "root/file").write_bytes(CONTENT)
        yield await driver.host(), await driver.port()


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def answer(server: tuple[str, int], packet: bytes) -> tuple[int, int, bytes]:
    with Client(server) as client:
        return client.ask(packet)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (request("gone"), 1),
        (request("../root/file"), 2),
        (request("/file"), 2),
        (request("new", operation=WRQ), 2),
        (request("file", "mail"), 4),
        (request(""), 4),
        (b"\0\1file\0octet", 4),
        (b"\0\1file", 4),
        (b"\0\1", 4),
        (b"\0\x09file\0octet\0", 4),
        (b"x", 4),
        (b"", 4),
        (ack(1), 5),
        (struct.pack("!HH", DATA, 1) + b"data", 5),
        (b"\0\1file\0octet\0blksize\0", 8),
        (request("file") + b"tsize\x000\0TSIZE\x000\0", 8),
    ],
)
async def test_each_refusal_has_its_code(tmp_path: Path, packet: bytes, code: int) -> None:
    async with served(tmp_path) as server:
        operation, said, text = await beside(lambda: answer(server, packet))
    assert (operation, said) == (ERROR, code)
    assert text.endswith(b"\0") and len(text) > 5


async def test_a_file_that_may_not_be_read_is_an_access_violation(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (tmp_path / "root/pipe").unlink(missing_ok=True)
        os.mkfifo(tmp_path / "root/pipe")
        operation, code, text = await beside(lambda: answer(server, request("pipe")))
    assert (operation, code, text) == (ERROR, 1, b"this is no file\0")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ({"blksize": 8}, {"blksize": "8"}),
        ({"blksize": 512}, {"blksize": "512"}),
        ({"BlkSize": 65464}, {"blksize": "65464"}),
        ({"timeout": 3}, {"timeout": "3"}),
        ({"tsize": 0}, {"tsize": "120000"}),
        ({"windowsize": 65535}, {"windowsize": "64"}),
        ({"blksize": 1468, "tsize": 0, "unknown": "x"}, {"blksize": "1468", "tsize": "120000"}),
        ({"blksize": 65465, "timeout": 0, "windowsize": 0, "tsize": 0}, {"tsize": "120000"}),
        ({"blksize": "12x", "timeout": 256, "windowsize": "", "multicast": "", "tsize": 0}, {"tsize": "120000"}),
    ],
)
async def test_options_are_granted_as_asked_or_left_out(
    tmp_path: Path, asked: dict[str, Any], granted: dict[str, str]
) -> None:
    def ask() -> tuple[int, dict[str, str]]:
        with Client(server) as client:
            operation, _, _ = client.ask(request("file", **asked))
            return operation, client.oack

    async with served(tmp_path) as server:
        assert await beside(ask) == (OACK, granted)


async def test_limits_of_the_owner_hold(tmp_path: Path) -> None:
    def ask() -> dict[str, str]:
        with Client(server) as client:
            client.ask(request("file", blksize=65464, windowsize=64))
            return client.oack

    async with served(tmp_path, blksize=1468, windowsize=4) as server:
        assert await beside(ask) == {"blksize": "1468", "windowsize": "4"}


@pytest.mark.parametrize("options", [{}, {"unknown": 1}, {"blksize": 7}])
async def test_without_a_usable_option_data_comes_at_once(tmp_path: Path, options: dict[str, Any]) -> None:
    async with served(tmp_path) as server:
        operation, block, data = await beside(lambda: answer(server, request("file", **options)))
    assert (operation, block, data) == (DATA, 1, CONTENT[:512])


@pytest.mark.parametrize(
    "options", [{}, {"blksize": 8000}, {"windowsize": 7}, {"blksize": 9, "windowsize": 33}, {"timeout": 1}]
)
async def test_a_whole_file_comes_in_order(tmp_path: Path, options: dict[str, Any]) -> None:
    async with served(tmp_path) as server:
        with Client(server) as client:
            assert await beside(lambda: client.fetch("file", "OcTeT", **options)) == CONTENT


async def test_the_size_of_a_text_is_that_of_what_is_sent(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (tmp_path / "root/text").write_bytes(b"a\nb\r\n\r" * 20_000)
        with Client(server) as client:
            got = await beside(lambda: client.fetch("text", "netascii", tsize=0, blksize=1000))
    assert got == b"a\r\nb\r\0\r\n\r\0" * 20_000
    assert client.oack["tsize"] == str(len(got))


@pytest.mark.parametrize("options", [{}, {"blksize": 1468, "tsize": 0}])
async def test_doubled_acknowledgements_do_not_double_the_data(tmp_path: Path, options: dict[str, Any]) -> None:
    async with served(tmp_path, timeout=10) as server:
        with Client(server) as client:
            got = await beside(lambda: client.fetch("file", acks=lambda block: [block, block], **options))
    assert got == CONTENT
    size = int(str(options.get("blksize", 512)))
    assert client.packets == len(CONTENT) // size + 1 + bool(options)  # each of them once, and the OACK


async def test_old_and_impossible_acknowledgements_mean_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, timeout=10) as server:
        with Client(server) as client:
            got = await beside(lambda: client.fetch("file", acks=lambda n: [n - 2, n + 1, n + 30_000, n, n - 1]))
    assert got == CONTENT
    assert client.packets == len(CONTENT) // 512 + 1


async def test_acknowledgements_of_windows_that_are_doubled_do_not_let_the_data_grow(tmp_path: Path) -> None:
    async with served(tmp_path, timeout=10) as server:
        with Client(server) as client:
            got = await beside(lambda: client.fetch("file", acks=lambda n: [n] * 5, windowsize=16))
    assert got == CONTENT
    assert client.packets < 2.1 * len(CONTENT) / 512  # a window is sent again once at most, however many ask for it


async def test_a_silent_client_is_sent_the_block_again_in_the_agreed_time_and_then_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def listen() -> list[float]:
        with Client(server, patience=0.6) as client:
            client.ask(request("file"))
            times = [time.monotonic()]
            while True:
                try:
                    assert client.receive()[:2] == (DATA, 1)
                except TimeoutError:
                    return [later - first for first, later in itertools.pairwise(times)]
                times.append(time.monotonic())

    async with served(tmp_path, timeout=0.2, retries=3) as server:
        gaps = await beside(listen)
    assert len(gaps) == 3
    assert all(0.15 < gap < 0.5 for gap in gaps)
    assert "the client did not answer 4 times" in caplog.text


async def test_the_time_that_a_client_asks_for_holds(tmp_path: Path) -> None:
    def listen() -> float:
        with Client(server, patience=3) as client:
            client.ask(request("file", timeout=1))
            start = time.monotonic()
            assert client.receive()[0] == OACK
            return time.monotonic() - start

    async with served(tmp_path, timeout=0.1) as server:
        assert 0.9 < await beside(listen) < 2


async def test_a_stranger_on_the_port_of_a_transfer_is_told_so_and_disturbs_nothing(tmp_path: Path) -> None:
    def intrude() -> tuple[int, int]:
        with Client(server) as client, Client(server) as stranger:
            client.ask(request("file"))
            stranger.socket.sendto(ack(1), client.peer)
            stranger.socket.sendto(struct.pack("!HH", ERROR, 0) + b"stop\0", client.peer)
            refused = stranger.receive()[:2]
            for block in range(1, 50):
                client.send(ack(block))
                assert client.receive()[:2] == (DATA, block + 1)
            return refused

    async with served(tmp_path, timeout=10) as server:
        assert await beside(intrude) == (ERROR, 5)


async def test_a_client_that_gives_up_ends_its_transfer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def give_up() -> None:
        with Client(server, patience=0.4) as client:
            client.ask(request("file", tsize=0))
            client.send(struct.pack("!HH", ERROR, 8) + b"I only wanted to know\0")
            with pytest.raises(TimeoutError):
                client.receive()

    async with served(tmp_path) as server:
        await beside(give_up)
    assert "the client ended it: error 8 'I only wanted to know'" in caplog.text


async def test_a_client_that_is_gone_is_noticed_by_the_first_packet_that_finds_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path, timeout=0.1, retries=1000) as server:
        with Client(server) as client:
            await beside(lambda: client.ask(request("file")))
        async with asyncio.timeout(10):
            while "did not get all of 'file': the client closed its port" not in caplog.text:
                await asyncio.sleep(0.01)


async def test_a_request_that_is_repeated_before_the_answer_begins_one_transfer_only(tmp_path: Path) -> None:
    def ask() -> set[tuple[Any, ...]]:
        with Client(server, patience=0.3) as client:
            for _ in range(5):
                client.socket.sendto(request("file"), server)
            ports = set()
            with pytest.raises(TimeoutError):
                while True:
                    client.receive()
                    ports.add(client.peer)
            return ports

    async with served(tmp_path, timeout=10) as server:
        assert len(await beside(ask)) == 1


async def test_a_client_that_was_reset_can_begin_anew_from_the_same_port(tmp_path: Path) -> None:
    async with served(tmp_path, timeout=10) as server:
        with Client(server) as client:
            await beside(lambda: client.ask(request("file", blksize=1000)))
            client.send(ack(0))
            await beside(client.receive)
            assert await beside(lambda: client.fetch("file")) == CONTENT


async def test_stopping_ends_transfers_and_tells_their_clients(tmp_path: Path) -> None:
    with Client(("127.0.0.1", 0)) as client:
        async with served(tmp_path, timeout=10) as server:
            client.server = server
            await beside(lambda: client.ask(request("file")))
        assert await beside(client.receive) == (ERROR, 0, b"the server was stopped\0")


async def test_more_transfers_than_allowed_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path, timeout=10, transfers=2) as server:
        with Client(server) as first, Client(server) as second, Client(server) as third:
            assert (await beside(lambda: first.ask(request("file"))))[0] == DATA
            assert (await beside(lambda: second.ask(request("file"))))[0] == DATA
            assert (await beside(lambda: third.ask(request("file"))))[:2] == (ERROR, 0)


async def test_no_packet_harms_the_server_or_a_transfer(tmp_path: Path) -> None:
    def rubbish() -> Iterator[bytes]:
        chance = random.Random(7350)
        for _ in range(300):
            noise = chance.randbytes(chance.randrange(600))
            yield chance.choice(
                [noise, b"\0" + noise, struct.pack("!H", chance.randrange(7)) + noise, b"\0\1a\0octet\0" + noise]
            )

    def disturb() -> bytes:
        with Client(server, patience=0.5) as client, Client(server) as noisy:
            client.ask(request("file"))
            for packet in rubbish():
                noisy.socket.sendto(packet, server)
                noisy.socket.sendto(packet, client.peer)
                if packet[:2] != struct.pack("!H", ERROR):
                    client.send(packet)
            return client.fetch("file")

    async with served(tmp_path) as server:
        assert await beside(disturb) == CONTENT


async def test_a_file_that_shrinks_meanwhile_is_an_error_and_not_a_short_file(tmp_path: Path) -> None:
    def fetch() -> None:
        with Client(server) as client:
            client.ask(request("long"))
            os.truncate(tmp_path / "root/long", 600_000)
            client.fetch_rest()

    async with served(tmp_path) as server:
        (tmp_path / "root/long").write_bytes(bytes(2_000_000))
        with pytest.raises(ConnectionError, match="shorter"):
            await beside(fetch)


@pytest.mark.parametrize("window", [1, 4, 16])
@pytest.mark.parametrize(
    "trouble", [{"lose": 0.05}, {"double": 0.2}, {"delay": 0.2}, {"lose": 0.03, "double": 0.05, "delay": 0.1}]
)
async def test_files_arrive_whole_over_a_bad_network(tmp_path: Path, window: int, trouble: dict[str, float]) -> None:
    async with served(tmp_path, timeout=0.05, retries=20) as server:
        lossy = Lossy(server, seed=window, **trouble)  # type: ignore[arg-type]
        async with lossy.running() as relay:
            with Client(relay) as client:
                got = await beside(lambda: client.fetch("file", blksize=1468, windowsize=window, pause=0.1))
    assert got == CONTENT
    assert lossy.lost or not trouble.get("lose")
