"""The HTTP server against the clients that people have."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner_drivers.http.server import HttpServer

pytestmark = pytest.mark.anyio

WGET = pytest.mark.skipif(shutil.which("wget") is None, reason="needs wget (apt-get install wget)")
CONTENT = os.urandom(3_000_000)


@dataclass
class Served:
    driver: HttpServer
    root: Path
    url: str
    port: int


@asynccontextmanager
async def served(tmp_path: Path, **config: Any) -> AsyncIterator[Served]:
    driver = HttpServer.make({"root_dir": tmp_path / "root", "host": "127.0.0.1", "port": 0, **config})
    assert isinstance(driver, HttpServer)
    async with driver.opened():
        (tmp_path / "root/file").write_bytes(CONTENT)
        yield Served(driver, tmp_path / "root", await driver.url(), await driver.port())


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def run(*command: object) -> subprocess.CompletedProcess[bytes]:
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return subprocess.CompletedProcess([*map(str, command)], process.returncode, out, err)


async def curl(url: str, *options: object) -> Answer:
    done = await run("curl", "-sS", "-D", "/dev/stderr", "--path-as-is", *options, url)
    head = done.stderr.decode().replace("\r", "").strip().split("\n\n")[-1].splitlines()
    fields = (line.partition(": ") for line in head[1:])
    return Answer(int(head[0].split()[1]), {name.lower(): value for name, _, value in fields}, done.stdout)


async def raw(port: int, request: bytes, *, close: bool = False, whole: bool = False) -> bytes:
    """What the server says until it has said a head, or with `whole` closes; nothing when we close at once."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    async with stream:
        await stream.send(request)
        if close:
            return b""
        said = b""
        with anyio.fail_after(10):
            try:
                while whole or b"\r\n\r\n" not in said:
                    said += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
        return said


async def test_gets_a_file_and_says_what_it_is(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (server.root / "page.json").write_text("{}")
        answer = await curl(f"{server.url}file")
        page = await curl(f"{server.url}page.json")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["accept-ranges"] == "bytes"
    assert page.headers["content-type"] == "application/json"


async def test_head_says_the_same_without_the_content(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        answer = await curl(f"{server.url}file", "-I")
        part = await curl(f"{server.url}file", "-I", "-r", "0-99")
        said = await raw(server.port, b"HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", whole=True)
    assert (answer.status, answer.headers["content-length"]) == (200, str(len(CONTENT)))
    assert (part.status, part.headers["content-range"]) == (206, f"bytes 0-99/{len(CONTENT)}")
    assert said.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("ranges", "wanted"),
    [
        ("0-0", range(1)),
        ("5-14", range(5, 15)),
        ("2999999-", range(2_999_999, 3_000_000)),
        ("-7", range(2_999_993, 3_000_000)),
        ("-9000000", range(3_000_000)),
        ("2999990-9000000", range(2_999_990, 3_000_000)),
    ],
)
async def test_gets_a_part(tmp_path: Path, ranges: str, wanted: range) -> None:
    async with served(tmp_path) as server:
        answer = await curl(f"{server.url}file", "-r", ranges)
    assert (answer.status, answer.body) == (206, CONTENT[wanted.start : wanted.stop])
    assert answer.headers["content-range"] == f"bytes {wanted.start}-{wanted.stop - 1}/3000000"


@pytest.mark.parametrize("header", ["bytes=3000000-", "bytes=-0"])
async def test_a_part_behind_the_end_is_refused_with_the_size(tmp_path: Path, header: str) -> None:
    async with served(tmp_path) as server:
        answer = await curl(f"{server.url}file", "-H", f"Range: {header}")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */3000000")


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "lines=1-2", "bytes=a-b"])
async def test_several_parts_and_nonsense_give_the_whole_file(tmp_path: Path, header: str) -> None:
    async with served(tmp_path) as server:
        answer = await curl(f"{server.url}file", "-H", f"Range: {header}")
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_download_that_broke_off_is_resumed_only_when_the_file_is_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        first = await curl(f"{server.url}file", "-I")
        for kind in ("etag", "last-modified"):
            resume = ("-r", "10-19", "-H", f"If-Range: {first.headers[kind]}")
            assert (await curl(f"{server.url}file", *resume)).body == CONTENT[10:20]
            os.utime(server.root / "file", (1, 1))
            assert (await curl(f"{server.url}file", *resume)).body == CONTENT
            (server.root / "file").touch()
            first = await curl(f"{server.url}file", "-I")


async def test_what_the_client_has_already_is_not_sent_again(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        known = (await curl(f"{server.url}file", "-I")).headers
        for header in (f"If-None-Match: {known['etag']}", f"If-Modified-Since: {known['last-modified']}"):
            answer = await curl(f"{server.url}file", "-H", header)
            assert (answer.status, answer.body) == (304, b"")
        for header in ('If-Match: "other"', "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:10 GMT"):
            assert (await curl(f"{server.url}file", "-H", header)).status == 412
        os.utime(server.root / "file", (2_000_000_000, 2_000_000_000))
        assert (await curl(f"{server.url}file", "-H", f"If-None-Match: {known['etag']}")).status == 200


@WGET
async def test_wget_gets_and_resumes(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (tmp_path / "got").write_bytes(CONTENT[:1_000_000])
        done = await run("wget", "-c", "-O", tmp_path / "got", f"{server.url}file")
    assert done.returncode == 0
    assert b"206 Partial Content" in done.stderr
    assert (tmp_path / "got").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("gone", 404), ("", 404), ("folder", 404), ("folder/", 404), ("folder/../../secret", 403),
        ("%2e%2e/secret", 403), ("/etc/passwd", 403), ("link", 403), ("pipe", 404), ("file/x", 404), ("a%00b", 404),
    ],
)  # fmt: skip
async def test_what_is_not_there_and_what_leads_out_is_refused(tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / "secret").write_text("secret")
    async with served(tmp_path) as server:
        (server.root / "folder").mkdir()
        os.mkfifo(server.root / "pipe")
        (server.root / "link").symlink_to(tmp_path / "secret")
        answer = await curl(f"{server.url}{path}")
    assert answer.status == status
    assert b"secret" not in answer.body
    assert re.fullmatch(rb"[a-z, ]+\n", answer.body)


async def test_a_packed_file_beside_it_is_not_sent_instead(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (server.root / "file.gz").write_bytes(b"no gzip at all")
        answer = await curl(f"{server.url}file", "-H", "Accept-Encoding: gzip")
    assert answer.body == CONTENT
    assert "content-encoding" not in answer.headers


async def test_an_upload_is_there_afterwards_and_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(CONTENT[:2_000_000])
    async with served(tmp_path, uploads=True) as server:
        made = await curl(f"{server.url}logs/new", "-T", tmp_path / "new")
        assert (server.root / "logs/new").read_bytes() == CONTENT[:2_000_000]
        chunked = await curl(f"{server.url}logs/new", "-T", tmp_path / "new", "-H", "Transfer-Encoding: chunked")
        replaced = await curl(f"{server.url}logs/new", "-X", "PUT", "--data-binary", "short")
        assert (server.root / "logs/new").read_bytes() == b"short"
    assert (made.status, chunked.status, replaced.status) == (201, 204, 204)
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["file"]


async def test_uploads_must_be_allowed(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        answer = await curl(f"{server.url}new", "-X", "PUT", "-d", "x")
        other = await curl(f"{server.url}file", "-X", "DELETE")
        assert not (server.root / "new").exists()
    assert (answer.status, answer.headers["allow"]) == (405, "GET,HEAD")
    assert other.status == 405


@pytest.mark.parametrize(("path", "status"), [("../out", 403), ("link/out", 403), ("folder", 409), ("file/below", 409)])
async def test_uploads_stay_inside(tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with served(tmp_path, uploads=True) as server:
        (server.root / "folder").mkdir()
        (server.root / "link").symlink_to(tmp_path / "elsewhere")
        answer = await curl(f"{server.url}{path}", "-X", "PUT", "-d", "x")
    assert answer.status == status
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path, uploads=True) as server:
        for path in ("new", "file"):
            head = f"PUT /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n".encode()
            await raw(server.port, head + bytes(1_500_000), close=True)
        with anyio.fail_after(10):
            while caplog.text.count("broke off") < 2:
                await anyio.sleep(0.01)
        assert sorted(path.name for path in server.root.iterdir()) == ["file"]
        assert (server.root / "file").read_bytes() == CONTENT


async def test_an_upload_that_stalls_is_ended(tmp_path: Path) -> None:
    async with served(tmp_path, uploads=True, timeout=0.2) as server:
        said = await raw(server.port, b"PUT /new HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert said.startswith(b"HTTP/1.1 408")
        assert not (server.root / "new").exists()


async def test_uploads_have_a_limit_and_are_never_a_part(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(CONTENT[:100_000])
    async with served(tmp_path, uploads=True, largest="50kB") as server:
        told = await curl(f"{server.url}new", "-T", tmp_path / "new")
        chunked = await curl(f"{server.url}new", "-T", tmp_path / "new", "-H", "Transfer-Encoding: chunked")
        part = await curl(f"{server.url}new", "-X", "PUT", "-d", "x", "-H", "Content-Range: bytes 5-5/10")
        assert not (server.root / "new").exists()
    assert (told.status, chunked.status, part.status) == (413, 413, 400)


async def test_many_clients_get_files_at_once_and_each_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with served(tmp_path) as server:
        answers = await asyncio.gather(*(curl(f"{server.url}file") for _ in range(10)))
    assert all(answer.body == CONTENT for answer in answers)
    assert caplog.text.count("GET 'file': 200, 2.86MiB in ") == 10


async def test_stopping_ends_downloads_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        with (server.root / "large").open("wb") as file:
            file.truncate(1 << 30)
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        async with stream:
            await stream.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive()
            with anyio.fail_after(5):
                await server.driver.stop()
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    while True:
                        await stream.receive()


async def test_a_sparse_file_beyond_4_gib_has_its_true_size(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        with (server.root / "large").open("wb") as file:
            file.truncate(5 << 30)
            file.seek(-3, os.SEEK_END)
            file.write(b"end")
        answer = await curl(f"{server.url}large", "-r", f"{(5 << 30) - 3}-")
    assert (answer.body, answer.headers["content-range"]) == (
        b"end",
        f"bytes {(5 << 30) - 3}-{(5 << 30) - 1}/{5 << 30}",
    )


async def test_it_is_reached_over_ipv6(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    async with served(tmp_path, host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/"
        assert (await curl(f"{server.url}file", "-g")).body == CONTENT


async def test_without_its_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "flowrunner_drivers.http._site", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(BenchError, match="needs the package 'aiohttp'") as caught:
        async with served(tmp_path):
            pass
    assert caught.value.help == "pip install 'flowrunner[http]'"


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk that is full is mounted by root")
async def test_a_disk_that_is_full_is_said_and_no_half_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "new").write_bytes(CONTENT[:2_000_000])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", tmp_path / "root"], check=True)
    try:
        async with served(tmp_path, uploads=True) as server:
            answer = await curl(f"{server.url}new", "-T", tmp_path / "new")
            assert [path.name for path in server.root.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", "-l", tmp_path / "root"], check=True)
    assert answer.status == 507
    assert b"No space left" in answer.body
