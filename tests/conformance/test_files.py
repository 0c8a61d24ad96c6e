"""What every store of files does."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(3_000_001)


@over(Files)
async def test_keeps_files_in_folders(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        for name, data in {"suite/a": b"", "suite/b/c": CONTENT}.items():
            assert await files.write_bytes(name, data) == len(data)
            assert await files.read_bytes(name) == data
            assert (await files.stat(name)).size == len(data)
        assert [(entry.path, entry.directory, entry.size) for entry in await files.list("suite")] == [
            ("suite/a", False, 0), ("suite/b", True, 0),
        ]  # fmt: skip
        await files.write_bytes("suite/a", b"new")
        assert await files.read_bytes("/suite/a") == b"new"
        assert {entry.path async for entry in files.scan("suite")} == {"suite/a", "suite/b", "suite/b/c"}


@over(Files)
async def test_reads_any_part_of_a_file(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite", CONTENT)
        for offset, length in ((0, 10), (7, 2_000_000), (2_999_999, 100), (1, None), (0, 0), (5_000_000, 1)):
            found = b"".join([piece async for piece in files.read("suite", offset, length)])
            assert found == CONTENT[offset:][:length]


@over(Files)
async def test_deleting_what_is_not_there_is_no_error(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite", b"x")
        await files.delete("suite")
        await files.delete("suite")
        await files.remove_all("suite")
        for attempt in (files.read_bytes("suite"), files.stat("suite"), files.list("suite"), files.hash("suite")):
            with pytest.raises(BenchError, match="there is no file 'suite'"):
                await attempt


@over(Files)
async def test_makes_and_deletes_folders(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.mkdir("suite/x/y/")
        await files.mkdir("suite/x/y")
        assert (await files.stat("suite/x")).directory
        assert await files.exists("suite/x/y")
        await files.write_bytes("suite/x/y/z", b"")
        with pytest.raises(BenchError, match="something in it"):
            await files.delete("suite/x/y")
        with pytest.raises(BenchError, match="'suite/x' is a folder"):
            await files.write_bytes("suite/x", b"")
        await files.remove_all("suite/x")
        assert not await files.exists("suite/x/y/z")
        assert not await files.exists("suite/x")


@over(Files)
async def test_the_root_stays(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        for attempt in (files.delete(""), files.delete("/"), files.remove_all(""), files.remove_all("x/..")):
            with pytest.raises(BenchError, match="the root itself cannot be deleted"):
                await attempt
        assert (await files.stat("")).directory


@over(Files)
async def test_copies_and_renames(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite/a", CONTENT)
        await files.write_bytes("suite/b", b"old")
        await files.copy("suite/a", "suite/b")
        await files.rename("suite/a", "suite/new/c")
        assert not await files.exists("suite/a")
        assert await files.hash("suite/b") == await files.hash("suite/new/c") == hashlib.sha256(CONTENT).hexdigest()
        assert await files.hash("suite/b", "md5") == hashlib.md5(CONTENT).hexdigest()
        for attempt in (files.copy("suite/gone", "suite/d"), files.rename("suite/gone", "suite/d")):
            with pytest.raises(BenchError, match="there is no file 'suite/gone'"):
                await attempt
        assert not await files.exists("suite/d")


@over(Files)
async def test_an_upload_that_breaks_off_leaves_the_old_file(rig: Rig, path: str, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        raise BenchError("the source broke")

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        await anyio.sleep_forever()

    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite/a", b"old")
        with pytest.raises(BenchError, match="the source broke"):
            await files.write("suite/a", broken())
        with anyio.move_on_after(0.1) as limit:
            await files.write("suite/a", endless())
        assert limit.cancelled_caught
        assert await files.read_bytes("suite/a") == b"old"
        assert [entry.path for entry in await files.list("suite")] == ["suite/a"]


@over(Files)
async def test_no_path_leads_out(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite", b"")
        for attempt in (
            files.read_bytes("../x"), files.write_bytes("a/../../x", b""), files.delete("../../etc/passwd"),
            files.stat(".."), files.list("/../.."), files.mkdir("../x"), files.remove_all("suite/../../x"),
            files.copy("suite", "../x"), files.rename("../x", "suite"), files.exists("../suite"), files.hash("../x"),
        ):  # fmt: skip
            with pytest.raises(BenchError, match="leads out") as error:
                await attempt
            assert error.value.blame == "config"


@over(Files)
async def test_sends_and_fetches_files_of_the_job(rig: Rig, path: str, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(CONTENT)
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        assert await files.put(tmp_path / "here", "suite") == len(CONTENT)
        assert await files.get("suite", tmp_path / "back") == len(CONTENT)
        with pytest.raises(BenchError, match="there is no file"):
            await files.get("nope", tmp_path / "none")
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert {entry.name for entry in tmp_path.iterdir()} <= {"here", "back", "files", "sshd"}


@over(Files)
async def test_tells_what_the_store_can_do(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        able = await bench.client(Files, path).capability()
        assert able["write"] is True
        assert able["presign_read"] in (True, False)
