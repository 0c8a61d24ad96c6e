"""Forwards and files over our own protocol: to an exporter on another host it is all the same."""

import hashlib
import os
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.network import Network
from flowrunner.net.datagrams import forward_udp
from flowrunner.net.dial import dial_host
from flowrunner.net.forward import forward_tcp
from flowrunner.remote.client.remote import Claim, RemoteLease
from tests.flowrunner.net.test_forward import request
from tests.support.far_ends import tcp_echo, udp_echo
from tests.support.served import served

pytestmark = pytest.mark.anyio


def nobody(owner: str, position: int) -> None:
    raise AssertionError(f"waiting for {owner}")


def network(lease: RemoteLease, path: str) -> Network:
    return cast("Network", lease.device.at(path).client)


async def test_connections_and_datagrams_pass_through_an_exporter(tmp_path: Path) -> None:
    async with tcp_echo() as tcp, udp_echo() as udp:
        text = f"""
        export:
          tcp: {{type: network.tcp, config: {{host: 127.0.0.1, port: {tcp["port"]}}}}}
          udp: {{type: network.udp, config: {{host: 127.0.0.1, port: {udp["port"]}}}}}
          none: {{type: network.tcp, config: {{host: 127.0.0.1, port: 9}}}}
        """
        claim = Claim(role="dut", owner="tester")
        async with served(tmp_path, text) as exporter, exporter.remote().leased(claim, nobody) as lease:
            async with forward_tcp(network(lease, "tcp").connect) as forward:
                await _a_hundred(forward)
                assert (forward.broken, forward.open) == (0, 0)
            async with forward_udp(network(lease, "udp").connect) as forward:
                stream = await dial_host(forward.host, forward.port, kind=2)
                for datagram in (b"a", b"", b"b" * 1400, b"c" * 60_000):
                    await stream.send(datagram)
                assert [len(await stream.receive()) for _ in range(4)] == [1, 0, 1400, 60_000]
                stream.close()
            assert await network(lease, "tcp").address() == f"tcp://127.0.0.1:{tcp['port']}"
            told: list[str] = []
            async with forward_tcp(network(lease, "none").connect, on_error=lambda e: told.append(e.what)) as forward:
                stream = await dial_host(forward.host, forward.port)
                with pytest.raises(BenchError, match="Connection reset"):
                    await stream.receive()
                stream.close()
            assert told == ["'127.0.0.1:9' cannot be reached: Connection refused"]


async def _a_hundred(forward: object) -> None:
    async def one(number: int) -> None:
        content = os.urandom(64_000 + number)
        assert await request(forward, content) == content  # type: ignore[arg-type]

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(one, number)


async def test_files_stream_both_ways_through_an_exporter(tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(os.urandom(20_000_003))
    text = f"export: {{files: {{type: files.opendal, config: {{scheme: fs, kwargs: {{root: {tmp_path}/store}}}}}}}}"
    claim = Claim(role="dut", owner="tester")
    async with served(tmp_path, text) as exporter, exporter.remote().leased(claim, nobody) as lease:
        files = cast("Files", lease.device.at("files").client)
        await files.put(tmp_path / "here", "a/b")
        digest = hashlib.sha256((tmp_path / "here").read_bytes()).hexdigest()
        assert await files.hash("a/b") == digest
        await files.get("a/b", tmp_path / "back")
        assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest
        assert [entry.path async for entry in files.scan()] == ["a", "a/b"]
        assert (await files.capability())["read"] is True
        assert b"".join([piece async for piece in files.read("a/b", 7, 5)]) == (tmp_path / "here").read_bytes()[7:12]
