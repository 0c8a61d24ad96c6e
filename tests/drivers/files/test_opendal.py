"""Stores of files against the real thing: folders with links, memory, a web server, WebDAV and S3."""

import os
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.files import Files
from flowrunner_drivers.files.opendal import OpendalFiles
from tests.support.stores import S3_KEYS, s3_server, web_server, webdav_server

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(1_500_000)


@asynccontextmanager
async def store(
    scheme: str, more: Mapping[str, str | bool] = MappingProxyType({}), *, remove: bool = False, **kwargs: str
) -> AsyncIterator[Files]:
    config = {"scheme": scheme, "kwargs": {**more, **kwargs}, "remove_created_on_close": remove}
    driver = OpendalFiles.make(config)
    assert isinstance(driver, Files)
    async with driver.opened():
        yield Files.client(Direct(driver))


async def exercise(files: Files) -> None:
    """What a store that can be written does, whatever it is."""
    await files.write_bytes("deep/a.img", CONTENT)
    await files.write_bytes("deep/empty", b"")
    assert await files.read_bytes("deep/a.img") == CONTENT
    assert b"".join([piece async for piece in files.read("deep/a.img", 999_999, 5)]) == CONTENT[999_999:1_000_004]
    await files.copy("deep/a.img", "deep/b.img")
    await files.rename("deep/b.img", "other/c.img")
    assert [(entry.path, entry.size) for entry in await files.list("deep")] == [
        ("deep/a.img", len(CONTENT)), ("deep/empty", 0),
    ]  # fmt: skip
    await files.mkdir("new/folder")
    assert await files.exists("new/folder")
    assert (await files.stat("new")).directory
    found = {entry.path async for entry in files.scan() if not entry.directory}
    assert found == {"deep/a.img", "deep/empty", "other/c.img"}
    assert await files.hash("other/c.img", "md5") == await files.hash("deep/a.img", "md5")
    await files.remove_all("deep")
    await files.delete("other/c.img")
    await files.delete("other/c.img")
    assert not await files.exists("deep/a.img")
    with pytest.raises(BenchError, match=r"there is no file 'deep/a\.img'"):
        await files.read_bytes("deep/a.img")
    with pytest.raises(BenchError, match="leads out"):
        await files.write_bytes("deep/../../x", b"")


async def test_memory_does_all() -> None:
    async with store("memory") as files:
        await exercise(files)


async def test_a_folder_does_all_and_appends(tmp_path: Path) -> None:
    async with store("fs", root=str(tmp_path)) as files:
        await exercise(files)
        await files.write_bytes("log", b"one\n")

        async def more() -> AsyncIterator[bytes]:
            yield b"two\n"

        await files.write("log", more(), append=True)
        assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
        with pytest.raises(BenchError, match="this store has no way for 'log' to be presigned"):
            await files.presign_read("log")


async def test_a_file_that_is_replaced_keeps_its_owner_and_its_mode(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("old")
    (tmp_path / "script").chmod(0o755)
    if os.geteuid() == 0:
        os.chown(tmp_path / "script", 65534, 65534)
    before = (tmp_path / "script").stat()
    async with store("fs", root=str(tmp_path)) as files:
        await files.write_bytes("script", b"new")
    after = (tmp_path / "script").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert (tmp_path / "script").read_text() == "new"


async def test_a_link_leads_nowhere_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "in", outside):
        folder.mkdir(parents=True)
    (outside / "secret").write_text("secret")
    (root / "out").symlink_to(outside)
    (root / "one").symlink_to(outside / "secret")
    (root / "fresh").symlink_to(outside / "not-yet")
    (root / "circle").symlink_to(root / "circle")
    (root / "inner").symlink_to("in")
    async with store("fs", root=str(root)) as files:
        for path in ("out/secret", "one", "out/new", "inner/../../outside/secret", "fresh", "circle/x"):
            for attempt in (
                files.read_bytes(path),
                files.write_bytes(path, b"x"),
                files.stat(path),
                files.exists(path),
            ):
                with pytest.raises(BenchError, match=r"leads (out|in a circle)"):
                    await attempt
        for refused in (files.list("out"), files.copy("one", "in/copy"), files.rename("in", "out/in")):
            with pytest.raises(BenchError):
                await refused
        assert {entry.path async for entry in files.scan()} == {"in", "inner"}
        await files.write_bytes("inner/file", b"fine")
        assert (root / "in/file").read_bytes() == b"fine"
        await files.remove_all("inner")
        assert (root / "in/file").exists()
        await files.mkdir("in/deep")
        (root / "in/deep/out").symlink_to(outside)
        await files.remove_all("in")
        assert not (root / "in").exists()
    assert (outside / "secret").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]


async def test_deletes_at_its_end_what_was_made_through_it(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before/keep").touch()
    async with store("fs", remove=True, root=str(tmp_path)) as files:
        await files.write_bytes("before/new", b"")
        await files.write_bytes("a/b/c", b"")
        await files.rename("a/b/c", "a/b/d")
        await files.mkdir("m/n")
        (tmp_path / "m/n/foreign").touch()
        (tmp_path / "presigned").touch()
        await files.register("presigned")
        await files.write_bytes("gone", b"")
        await files.delete("gone")
        assert await files.created() == ["before/new", "a", "a/b", "a/b/d", "m", "m/n", "presigned"]
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"before", "before/keep", "m", "m/n", "m/n/foreign"}


async def test_leaves_all_where_it_is_not_asked_to_clean_up(tmp_path: Path) -> None:
    async with store("fs", root=str(tmp_path)) as files:
        await files.write_bytes("a", b"")
    assert (tmp_path / "a").exists()


async def test_a_web_server_is_read_only_and_tells_where_to_read(tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    (tmp_path / "with space/a.img").write_bytes(CONTENT)
    with web_server(tmp_path) as url:
        async with store("http", endpoint=url) as files:
            assert await files.read_bytes("with space/a.img") == CONTENT
            assert (await files.stat("with space/a.img")).size == len(CONTENT)
            assert not await files.exists("b.img")
            with pytest.raises(BenchError, match=r"there is no file 'b\.img'"):
                await files.read_bytes("b.img")
            with pytest.raises(BenchError, match=r"this store has no way for 'b\.img' to be written"):
                await files.write_bytes("b.img", b"")
            request = await files.presign_read("with space/a.img")
            assert (request.method, request.url) == ("GET", f"{url}/with%20space/a.img")


async def test_webdav_does_all(tmp_path: Path) -> None:
    with webdav_server(tmp_path) as url:
        async with store("webdav", endpoint=url, username="lab", password="secret") as files:
            await exercise(files)
        async with store("webdav", endpoint=url, username="lab", password="wrong") as files:
            with pytest.raises(BenchError, match=r"'a' may not be (read|looked at)"):
                await files.read_bytes("a")


async def test_s3_does_all_and_presigns() -> None:
    with s3_server("lab") as url:
        kwargs: dict[str, str | bool] = {name.removeprefix("aws_"): value for name, value in S3_KEYS.items()}
        kwargs |= {"bucket": "lab", "endpoint": url, "region": "us-east-1", "disable_config_load": True}
        async with store("s3", {"root": "board-7", **kwargs}) as files:
            await exercise(files)
            await files.write_bytes("large", CONTENT * 7)
            assert await files.hash("large") == await files.hash("large")
            assert (await files.stat("large")).size == len(CONTENT) * 7
            await files.write_bytes("a", b"signed content")
            request = await files.presign_read("a", 30)
            with urllib.request.urlopen(urllib.request.Request(request.url, headers=request.headers)) as answer:
                assert answer.read() == b"signed content"
            upload = await files.presign_write("b", 30)
            headers = {"content-type": "application/octet-stream", **upload.headers}
            put = urllib.request.Request(upload.url, b"uploaded", headers, method=upload.method)
            urllib.request.urlopen(put).close()
            assert await files.read_bytes("b") == b"uploaded"
            assert (await files.presign_stat("b")).method == "HEAD"


async def test_a_server_that_is_not_there_is_the_fault_of_the_lab() -> None:
    async with store("http", endpoint="http://127.0.0.1:9") as files:
        with pytest.raises(BenchError, match=r"'a' could not be .*: send http request: error sending request") as error:
            await files.read_bytes("a")
        assert error.value.blame == "infra"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"scheme": "fs"}, "a folder needs kwargs"),
        ({"scheme": "s3", "kwargs": {}}, "the store 's3' cannot be opened: .*bucket"),
        ({"scheme": "floppy"}, "the store 'floppy' cannot be opened"),
        ({"scheme": "fs", "kwargs": {"root": "/dev/null/x"}}, "the store 'fs' cannot be opened"),
    ],
)
async def test_a_store_that_cannot_be_is_the_fault_of_the_config(config: dict[str, object], says: str) -> None:
    with pytest.raises(BenchError, match=says) as error:
        async with OpendalFiles.make(config).opened():
            pass
    assert error.value.blame == "config"
