"""A store by SFTP, on a real OpenSSH server: its root, its links, what it made, and its connection."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.files import Files
from flowrunner_drivers.files.sftp import SftpFiles
from flowrunner_drivers.power.virtual import VirtualPower
from flowrunner_drivers.ssh.client import SshClient
from tests.support.sshd import prepared, sshd

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def store(folder: Path, more: str = "", **config: Any) -> AsyncIterator[Files]:
    async with sshd(folder, more) as server:
        ssh = SshClient.make(server.config)
        driver = SftpFiles.make({"root": str(folder / "root"), **config}, {"ssh": ssh})
        assert isinstance(driver, Files)
        async with ssh.opened(), driver.opened():
            yield Files.client(Direct(driver))


async def _content(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_the_root_is_made_and_a_relative_one_starts_in_the_home(tmp_path: Path) -> None:
    name = f".flow-test-{os.getpid()}"
    home = Path("~").expanduser() / name
    try:
        async with store(tmp_path, root=name) as files:
            await files.write_bytes("a", b"x")
            assert (home / "a").read_bytes() == b"x"
            await files.remove_all("a")
    finally:
        home.rmdir()


async def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("s")
    for name, target in {
        "file": tmp_path / "secret", "folder": tmp_path, "good": Path("in"), "gone": Path("nowhere"), "circle": Path("circle"),
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    async with store(tmp_path) as files:
        for attempt in (
            files.read_bytes("file"), files.write_bytes("file", b"x"), files.stat("folder"), files.list("folder"),
            files.read_bytes("folder/secret"), files.write_bytes("folder/new", b"x"), files.mkdir("folder/x"),
            files.hash("file"), files.copy("folder/secret", "mine"), files.rename("folder/secret", "mine"),
            files.delete("folder/secret"), files.remove_all("folder/secret"),
        ):  # fmt: skip
            with pytest.raises(BenchError, match="leads out"):
                await attempt
        assert [entry.path for entry in await files.list()] == ["good", "in"]
        await files.write_bytes("good/a", b"1")
        assert {entry.path async for entry in files.scan()} == {"good", "in", "in/a"}
        for name in ("file", "folder", "circle", "gone"):
            await files.remove_all(name)
        await files.remove_all("good")
        assert (root / "in/a").read_bytes() == b"1", "the link was deleted, not what it led to"
    assert (tmp_path / "secret").read_text() == "s"
    assert os.listdir(root) == ["in"]


async def test_a_file_that_is_replaced_keeps_its_mode_and_one_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/run").write_text("old")
    (tmp_path / "root/run").chmod(0o755)
    async with store(tmp_path) as files:
        await files.write_bytes("run", b"new")
        await files.write("run", _content(b" and", b" more"), append=True)
        await files.write("log", _content(b"one"), append=True)
    assert (tmp_path / "root/run").read_text() == "new and more"
    assert (tmp_path / "root/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "root/log").read_bytes() == b"one"


@pytest.mark.parametrize("tools", ["", "SetEnv PATH=/nowhere"], ids=["by the device", "read back"])
async def test_checksums_are_computed_there_or_here(tmp_path: Path, tools: str) -> None:
    data = os.urandom(5_000_000)
    async with store(tmp_path, tools) as files:
        await files.write_bytes("a b'c", data)
        assert await files.hash("a b'c") == hashlib.sha256(data).hexdigest()
        assert await files.hash("a b'c", "md5") == hashlib.md5(data).hexdigest()


async def test_deletes_what_was_made_when_that_is_wanted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "before").write_text("kept")
    async with store(tmp_path, remove_created_on_close=True) as files:
        await files.write_bytes("x/y/z", b"")
        await files.mkdir("empty")
        await files.write_bytes("moved", b"")
        await files.rename("moved", "x/moved")
        await files.mkdir("shared")
        (root / "shared/others").write_text("kept")
        assert list(await files.created()) == ["x", "x/y", "x/y/z", "empty", "x/moved", "shared"]
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["before", "shared", "shared/others"]


async def test_a_lost_connection_is_made_anew(tmp_path: Path) -> None:
    server = prepared(tmp_path)
    ssh = SshClient.make({**server.config, "within": 30})
    driver = SftpFiles.make({"root": str(tmp_path / "root")}, {"ssh": ssh})
    assert isinstance(driver, Files)
    async with ssh.opened(), driver.opened():
        for content in (b"1", b"2"):
            server.start()
            try:
                await driver.write_bytes("a", content)
                assert await driver.read_bytes("a") == content
            finally:
                server.kill()


def test_a_login_is_needed(tmp_path: Path) -> None:
    for children, why in (({}, "it has no part 'ssh'"), ({"ssh": VirtualPower.make({})}, "its part 'ssh' is no login")):
        with pytest.raises(BenchError, match=why):
            SftpFiles.make({}, children)


async def test_shares_the_login_that_a_ref_names(tmp_path: Path) -> None:
    async with sshd(tmp_path) as server:
        path = tmp_path / "bench.yaml"
        path.write_text(
            f"export:\n"
            f"  files: {{type: files.sftp, config: {{root: {tmp_path}/root}}, children: {{ssh: {{ref: board.ssh}}}}}}\n"
            f"  board: {{children: {{ssh: {{type: ssh.client, config: {{host: 127.0.0.1, port: {server.port}, key: {{file: sshd/client}}}}}}}}}}\n"
        )
        bench = Bench(load_exporter(path), "dut")
        async with bench.opened():
            files: Any = bench.device().at("files").client
            assert await files.write_bytes("a", b"12") == 2
            assert (await files.stat("a")).size == 2
            await bench.device().at("files.ssh").client.execute("true")  # type: ignore[union-attr]
        accepted = (server.folder / "log").read_text().count("Accepted publickey")
    assert accepted == 1, "one connection for both"
