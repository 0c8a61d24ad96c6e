"""The TFTP server against the clients that people have: curl, tftp-hpa, atftp."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.server import HttpServer, TftpServer
from flowrunner_drivers.tftp.server import Tftp
from tests.support.lossy import Lossy

pytestmark = pytest.mark.anyio

CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (apt-get install curl)")
HPA = pytest.mark.skipif(shutil.which("tftp") is None, reason="needs tftp-hpa (apt-get install tftp-hpa)")
ATFTP = pytest.mark.skipif(shutil.which("atftp") is None, reason="needs atftp (apt-get install atftp)")

CONTENT = os.urandom(300_000)


@dataclass
class Served:
    driver: Tftp
    root: Path
    host: str
    port: int


@asynccontextmanager
async def served(tmp_path: Path, **config: Any) -> AsyncIterator[Served]:
    root = tmp_path / "root"
    driver = Tftp.make({"root_dir": root, "host": "127.0.0.1", "port": 0, **config})
    assert isinstance(driver, Tftp)
    async with driver.opened():
        yield Served(driver, root, await driver.host(), await driver.port())


async def run(*command: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(stdin), 30)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess([*map(str, command)], process.returncode, said)


async def curl(url: str, target: Path, *options: object) -> subprocess.CompletedProcess[bytes]:
    return await run("curl", "-sS", *options, "-o", target, url)


@CURL
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 300_000])
async def test_curl_gets_files_of_every_size(tmp_path: Path, size: int) -> None:
    async with served(tmp_path) as server:
        (server.root / "file").write_bytes(CONTENT[:size])
        options = () if size else ("--tftp-no-options",)  # curl 7 takes a tsize of 0 for a fault of the server
        done = await curl(await server.driver.url("file"), tmp_path / "got", *options)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "got").read_bytes() == CONTENT[:size]


@CURL
@pytest.mark.parametrize("blksize", [8, 100, 1468, 65464])
async def test_curl_gets_blocks_of_the_size_it_asks_for(
    tmp_path: Path, blksize: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with served(tmp_path) as server:
        (server.root / "file").write_bytes(CONTENT[:70_000])
        await curl(await server.driver.url("file"), tmp_path / "got", "--tftp-blksize", blksize)
        await settled(server)
    assert (tmp_path / "got").read_bytes() == CONTENT[:70_000]
    assert f"blksize {blksize}, windowsize 1" in caplog.text


@CURL
async def test_folders_below_are_served_and_names_may_be_anything(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.driver.files.write_bytes("boot/arm 64/Ünïcode", CONTENT[:1000])
        await curl(await server.driver.url("boot/arm 64/Ünïcode"), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == CONTENT[:1000]


@CURL
@pytest.mark.parametrize(
    ("path", "status", "logged"),
    [
        ("gone", 68, "no such file"),
        ("folder", 68, "this is no file"),
        ("folder/../../secret", 69, "leads out"),
        ("/etc/passwd", 69, "leads out"),
        ("link", 69, "leads out"),
    ],
)
async def test_what_is_not_there_and_what_leads_out_is_refused_as_such(
    tmp_path: Path, path: str, status: int, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").write_text("secret")
    async with served(tmp_path) as server:
        (server.root / "folder").mkdir()
        (server.root / "link").symlink_to(tmp_path / "secret")
        url = f"tftp://127.0.0.1:{server.port}/{path}"
        done = await curl(url, tmp_path / "got", "--path-as-is")
    assert done.returncode == status  # curl(1): 68 file not found, 69 permission problem
    assert logged in caplog.text
    assert not (tmp_path / "got").exists() or (tmp_path / "got").read_bytes() == b""


@CURL
async def test_a_name_with_a_slash_in_front_can_be_allowed(tmp_path: Path) -> None:
    async with served(tmp_path, absolute=True) as server:
        (server.root / "etc").mkdir()
        (server.root / "etc/passwd").write_text("ours")
        await curl(f"tftp://127.0.0.1:{server.port}//etc/passwd", tmp_path / "got")
    assert (tmp_path / "got").read_text() == "ours"


@CURL
async def test_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("x")
    async with served(tmp_path) as server:
        done = await run("curl", "-sS", "-T", tmp_path / "new", f"tftp://127.0.0.1:{server.port}/new")
        assert done.returncode == 69
        assert list(server.root.iterdir()) == []


@HPA
async def test_tftp_hpa_gets_text_with_its_lines_as_they_were(tmp_path: Path) -> None:
    text = b"one\ntwo\r\nthree\rfour\n" * 5000
    async with served(tmp_path) as server:
        (server.root / "text").write_bytes(text)
        done = await run("tftp", "-m", "netascii", server.host, server.port, "-c", "get", "text", str(tmp_path / "got"))
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "got").read_bytes() == text


@HPA
async def test_tftp_hpa_gets_a_file(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        (server.root / "file").write_bytes(CONTENT)
        await run("tftp", "-m", "octet", server.host, server.port, "-c", "get", "file", str(tmp_path / "got"))
        missing = await run("tftp", server.host, server.port, "-c", "get", "gone", str(tmp_path / "none"))
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert b"Error code 1" in missing.stdout


@ATFTP
@pytest.mark.parametrize("window", [1, 4, 16, 64])
async def test_atftp_gets_a_file_in_windows(tmp_path: Path, window: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with served(tmp_path) as server:
        (server.root / "file").write_bytes(CONTENT)
        options = ("--option", "blksize 1468", "--option", f"windowsize {window}", "--option", "tsize 0")
        done = await run("atftp", *options, "-g", "-r", "file", "-l", tmp_path / "got", server.host, server.port)
        await settled(server)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert f"blksize 1468, windowsize {window}, 0 packets sent again" in caplog.text


@ATFTP
@pytest.mark.parametrize("window", [1, 8])
async def test_atftp_gets_a_file_over_a_bad_network(tmp_path: Path, window: int) -> None:
    async with served(tmp_path, timeout=0.05, retries=50) as server:
        (server.root / "file").write_bytes(CONTENT)
        lossy = Lossy((server.host, server.port), seed=7, lose=0.05, double=0.05, delay=0.05)
        async with lossy.running() as (host, port):
            options = ("--option", "blksize 1468", "--option", f"windowsize {window}")
            done = await run("atftp", *options, "-g", "-r", "file", "-l", tmp_path / "got", host, port)
    assert done.returncode == 0, done.stdout
    assert lossy.lost > 5
    assert (tmp_path / "got").read_bytes() == CONTENT


@ATFTP
async def test_many_get_files_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for number in range(12):
            (server.root / f"file{number}").write_bytes(CONTENT[number:])
        await asyncio.gather(*(
            run("atftp", "-g", "-r", f"file{n}", "-l", tmp_path / f"got{n}", server.host, server.port)
            for n in range(12)
        ))  # fmt: skip
    for number in range(12):
        assert (tmp_path / f"got{number}").read_bytes() == CONTENT[number:]


@CURL
async def test_a_file_beyond_the_last_block_number_arrives_whole(tmp_path: Path) -> None:
    blocks = os.urandom(1 << 16)
    async with served(tmp_path) as server:
        with (server.root / "long").open("wb") as file:  # 66 600 blocks: the numbers start again at 0
            for _ in range(33):
                file.write(blocks)
        await curl(await server.driver.url("long"), tmp_path / "got", "--tftp-blksize", 32)
        assert (tmp_path / "got").read_bytes() == (server.root / "long").read_bytes()


@CURL
async def test_it_is_reached_over_ipv6_and_at_all_addresses(tmp_path: Path) -> None:
    async with served(tmp_path, host="::", address="127.0.0.1") as server:
        (server.root / "file").write_bytes(CONTENT[:3000])
        for place in ("[::1]", "127.0.0.1", "127.0.0.3"):
            await curl(f"tftp://{place}:{server.port}/file", tmp_path / f"got{place}")
            assert (tmp_path / f"got{place}").read_bytes() == CONTENT[:3000], place
        assert await server.driver.url("file") == f"tftp://127.0.0.1:{server.port}/file"


async def test_without_a_host_it_tells_an_address_of_this_machine(tmp_path: Path) -> None:
    async with served(tmp_path, host="0.0.0.0") as server:
        assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+|[0-9a-f:]+", server.host)
        assert server.host not in ("0.0.0.0", "::")


async def test_a_low_port_without_rights_is_said(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from flowrunner_drivers.tftp.server import Tftp\n"
        "async def main():\n"
        "    async with Tftp.make({'root_dir': sys.argv[1], 'host': '127.0.0.1', 'port': 69}).opened(): pass\n"
        "asyncio.run(main())\n"
    )
    capable = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"] if os.geteuid() == 0 else []
    start = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    if int(start) <= 69:
        pytest.skip("this machine lets anyone have port 69")
    done = await run(*capable, sys.executable, "-c", code, tmp_path)
    assert done.returncode == 1
    assert b"the TFTP server cannot listen on 127.0.0.1:69: Permission denied" in done.stdout
    assert b"CAP_NET_BIND_SERVICE" in done.stdout


async def test_an_address_of_another_machine_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"cannot listen on 192\.0\.2\.1") as caught:
        async with served(tmp_path, host="192.0.2.1"):
            pass
    assert caught.value.help == "host must be an address of this machine"


async def test_what_was_uploaded_is_gone_at_the_end_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/mine").write_text("mine")
    async with served(tmp_path) as server:
        await server.driver.files.write_bytes("a/b/c", b"x")
        assert (tmp_path / "root/a/b/c").exists()
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["mine"]
    async with served(tmp_path, remove_created_on_close=False) as server:
        await server.driver.files.write_bytes("kept", b"x")
    assert (tmp_path / "root/kept").exists()


async def test_without_a_folder_it_has_one_of_its_own(tmp_path: Path) -> None:
    driver = Tftp.make({"host": "127.0.0.1", "port": 0})
    assert isinstance(driver, Tftp)
    async with driver.opened():
        folder = driver.files.folder
        await driver.files.write_bytes("x", b"x")
        assert (folder / "x").exists()
    assert not folder.exists()


async def settled(server: Served) -> None:
    """Wait until the server has taken the last acknowledgement, which the client does not wait for."""
    listener: Any = server.driver._listening
    while listener._tasks:
        await asyncio.wait(listener._tasks)


def test_the_file_of_a_jumpstarter_exporter_builds_it(tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text("""
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
export:
  tftp:
    type: jumpstarter_driver_tftp.driver.Tftp
    config: {root_dir: /var/lib/tftpboot, host: 127.0.0.1, port: 6969, remove_created_on_close: false}
  http:
    type: jumpstarter_driver_http.driver.HttpServer
    config: {root_dir: www, host: 127.0.0.1, port: 8080, timeout: 600}
""")
    device = Bench(load_exporter(tmp_path / "exporter.yaml"), "dut").device()
    assert device.find(TftpServer) == "tftp" and device.find(HttpServer) == "http"
    assert device.at("tftp.storage").offers(Files) and device.at("http.storage").offers(Files)


def test_a_part_named_storage_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has a part 'storage' already"):
        Tftp.make({}, {"storage": Tftp.make({})})
