"""Images to read, and a web server to read them from."""

import bz2
import gzip
import lzma
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flowrunner.image.zstandard import zstd

MIB = 1 << 20


@dataclass
class SparseImage:
    """An image of 8 MiB: data at 1 MiB and at 5 MiB + 12 KiB, and nothing else."""

    path: Path
    content: bytes


@pytest.fixture
def image(tmp_path: Path) -> SparseImage:
    path = tmp_path / "disk.img"
    first, second = os.urandom(303_104), os.urandom(40_000)
    with path.open("wb") as file:
        file.truncate(8 * MIB)
        file.seek(MIB)
        file.write(first)
        file.seek(5 * MIB + 12288)
        file.write(second)
    return SparseImage(path, path.read_bytes())


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def zst(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})  # as the zstd command does


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gz, "xz": lzma.compress, "zstd": zst, "bz2": bz2.compress
}  # fmt: skip
SUFFIX = {"gz": ".gz", "xz": ".xz", "zstd": ".zst", "bz2": ".bz2"}


@dataclass
class Web:
    """A server: `files` by path, `redirects` from and to.

    It hangs up after `cut` bytes, waits for `stall` before, and without `head` answers no HEAD.
    `shown` are the names that it was asked by, with what it was shown as `Authorization`; with `token` it wants that
    from who asks for 127.0.0.1.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    asked: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    stall: threading.Event | None = None
    head: bool = True
    token: bool = False


@pytest.fixture
def web() -> Iterator[Web]:
    site = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            if not site.head:
                self.send_error(403)
                return
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            site.asked.append(f"{self.command} {self.path}")
            site.shown.append(f"{self.headers['Host'].partition(':')[0]} {self.headers['Authorization']}")
            if site.token and site.shown[-1] == "127.0.0.1 None":
                self.send_error(401)
                return
            if self.path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = site.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self._send(data)

        def _send(self, data: bytes) -> None:
            self.wfile.write(data[: site.cut])
            self.wfile.flush()
            if site.stall:
                site.stall.wait(10)
            if site.cut is not None:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    if site.stall:
        site.stall.set()
    server.shutdown()
    thread.join()
    server.server_close()
