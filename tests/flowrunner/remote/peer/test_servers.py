"""Servers of files between us and the real Jumpstarter, both ways."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.server import HttpServer, TftpServer
from tests.flowrunner.remote.peer.conftest import part, port, used
from tests.support.exporters import exporter, run
from tests.support.peers import Peer, peer, python
from tests.support.tftp import Client

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

ROOT = Path(__file__).parents[4]
CONTENT = os.urandom(300_000)

SERVERS = """
export:
  tftp:
    type: jumpstarter_driver_tftp.driver.Tftp
    config: {{root_dir: {folder}/tftp, host: 127.0.0.1, port: {port}, remove_created_on_close: true}}
  http:
    type: jumpstarter_driver_http.driver.HttpServer
    config: {{root_dir: {folder}/http, host: 127.0.0.1, port: 0, timeout: 60, remove_created_on_close: true}}
"""
"""What both exporters load, with all keys that Jumpstarter's drivers have."""

PIPELINE = """
flow: 1
name: serve
devices: {dut: ""}
steps:
  - id: tftp
    serve: {files: image, over: tftp}
  - id: http
    serve: {files: {a b.img: image}, over: http}
  - http: {url: "${{ steps.http.outputs.url }}"}
  - driver: {call: dut.http.stop}
"""


def udp_port() -> int:
    """A port of loopback that nobody had just now."""
    with socket.socket(type=socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return port(found)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "exporter.yaml").write_text(SERVERS.format(folder=tmp_path, port=0))
    with exporter(tmp_path / "exporter.yaml", tmp_path) as found:
        yield found.unix


@dataclass(frozen=True)
class Theirs:
    """Their exporter; its TFTP server is at `port`."""

    peer: Peer
    folder: Path
    port: int


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    folder, found = tmp_path_factory.mktemp("servers"), udp_port()
    with peer(SERVERS.format(folder=folder, port=found)) as started:
        yield Theirs(started, folder, found)


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content[:1000]
    yield content[1000:]


def _patiently(board: Client, name: str) -> bytes:
    """A file of a server that opens its port some time after it said so."""
    deadline = time.monotonic() + board.patience
    while True:
        try:
            return board.fetch(name)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


def fetched(url: str) -> bytes:
    with urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def test_their_library_serves_files_over_our_http_server(ours: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    said = python(
        ours,
        """
        from urllib.request import urlopen
        http = client.http
        http.start()
        url = http.put_file("a b.img", sys.argv[1])
        print(url == f"{http.get_url()}/a%20b.img", http.get_url() == f"http://{http.get_host()}:{http.get_port()}")
        print(urlopen(url).read() == open(sys.argv[1], "rb").read(), list(http.storage.list("")))
        http.stop()
        http.stop()
        try:
            http.get_url()
        except Exception as error:
            print(error)
        http.start()
        print(urlopen(f"{http.get_url()}/a%20b.img").status)
        """,
        tmp_path / "image",
    ).splitlines()
    assert [line for line in said if "transfer" not in line][:2] == ["True True", "True ['/', 'a b.img']"]
    assert "the server is stopped" in "".join(said[2:-1])
    assert said[-1] == "200"


def test_their_library_serves_files_over_our_tftp_server(ours: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    said = python(
        ours,
        """
        sys.path.append(sys.argv[2])
        from tests.support.tftp import Client
        tftp = client.tftp
        tftp.start()
        tftp.storage.write_from_path("boot/Image", sys.argv[1])
        with Client((tftp.get_host(), int(tftp.get_port()))) as board:
            print(board.fetch("boot/Image") == open(sys.argv[1], "rb").read())
        tftp.stop()
        try:
            tftp.get_port()
        except Exception as error:
            print(error)
        """,
        tmp_path / "image", ROOT,
    ).splitlines()  # fmt: skip
    assert "True" in said
    assert "the server is stopped" in "".join(said)


async def test_our_client_serves_files_over_their_http_server(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        http, files = part(lease, "http", HttpServer), part(lease, "http.storage", Files)
        for call in (http.port, http.url):
            with pytest.raises(BenchError, match="the server is stopped") as raised:
                await call()
            assert (raised.value.blame, raised.value.driver) == ("config", "dut.http")
        await http.start()
        assert await files.write("boot/a b.img", pieces(CONTENT)) == len(CONTENT)
        url, at = await http.url("boot/a b.img"), await http.port()
        assert url == f"http://{await http.host()}:{at}/boot/a%20b.img"
        assert await anyio.to_thread.run_sync(fetched, url) == CONTENT
        await http.start()
        assert await http.port() == at, "a server that listens goes on as it is"
        await http.stop()
        await http.stop()
        with pytest.raises(URLError, match="refused"):
            await anyio.to_thread.run_sync(fetched, url)


async def test_our_client_serves_files_over_their_tftp_server(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        tftp, files = part(lease, "tftp", TftpServer), part(lease, "tftp.storage", Files)
        await tftp.start()
        await files.write("Image", pieces(CONTENT))
        assert await tftp.url("/Image") == f"tftp://127.0.0.1:{theirs.port}/Image"
        with Client((await tftp.host(), await tftp.port()), patience=20) as board:
            assert await anyio.to_thread.run_sync(_patiently, board, "Image") == CONTENT
        await tftp.stop()


def test_a_pipeline_serves_files_over_their_servers(theirs: Theirs, tmp_path: Path) -> None:
    (tmp_path / "image").write_text("image")
    (tmp_path / "p.yaml").write_text(PIPELINE)
    done = run(tmp_path / "p.yaml", tmp_path / "out", exporters=[str(theirs.peer.unix)])
    assert done.outcome == "passed", done.finished.result
    assert (theirs.folder / "tftp/image").read_text() == "image"


async def test_a_server_of_theirs_that_cannot_be_named_says_what_to_set() -> None:
    vague = SERVERS.replace("host: 127.0.0.1", "host: 0.0.0.0")
    with TemporaryDirectory() as folder, peer(vague.format(folder=folder, port=0)) as started:
        async with used(started.unix) as lease:
            with pytest.raises(BenchError, match="it listens everywhere") as raised:
                await part(lease, "http", HttpServer).host()
            assert raised.value.help == "set host in the exporter's file to the device's side"
            with pytest.raises(BenchError, match="does not say which"):
                await part(lease, "tftp", TftpServer).url("Image")
