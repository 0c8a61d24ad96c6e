"""What every server of files does."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.server import FileServer
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


def free(kind: int, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def kind_of(rig: Rig) -> int:
    return socket.SOCK_DGRAM if rig.type.startswith("tftp") else socket.SOCK_STREAM


@over(FileServer)
async def test_says_where_its_files_are(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        server = bench.client(FileServer, path)
        url = urlsplit(await server.url("boot/a file"))
        assert url.scheme == rig.type.partition(".")[0]
        assert (url.hostname, url.port) == (await server.host(), await server.port())
        assert url.path == "/boot/a%20file"
        assert urlsplit(await server.url()).path == "/"


@over(FileServer)
async def test_listens_from_the_start_and_can_be_stopped_and_started_twice(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        server = bench.client(FileServer, path)
        port = await server.port()
        await server.start()
        assert await server.port() == port
        assert not free(kind_of(rig), port)
        await server.stop()
        await server.stop()
        assert free(kind_of(rig), port)
        for ask in (server.port, server.url):
            with pytest.raises(BenchError, match="stopped"):
                await ask()
        await server.start()
        again = await server.port()
        assert not free(kind_of(rig), again)
    assert free(kind_of(rig), again)


@over(FileServer)
async def test_a_port_that_is_taken_is_an_error_when_it_is_opened(rig: Rig, path: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, kind_of(rig)) as other:
        other.bind(("127.0.0.1", 0))
        if kind_of(rig) == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        taken = Rig(rig.type, lambda folder: {**rig.config(folder), "port": port})
        with pytest.raises(BenchError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            async with opened(taken, tmp_path):
                pass
    assert "port" in (caught.value.help or "")
