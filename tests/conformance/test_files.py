"""What every store of files does."""

from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


async def read(files: Files, path: str) -> bytes:
    return b"".join([piece async for piece in files.read(path)])


@over(Files)
async def test_keeps_files_in_folders(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        for name, data in {"suite/a": b"", "suite/b/c": bytes(range(256)) * 9000}.items():
            assert await files.write_bytes(name, data) == len(data)
            assert await read(files, name) == data
            assert (await files.stat(name)).size == len(data)
        assert [(entry.path, entry.directory) for entry in await files.list("suite")] == [
            ("suite/a", False), ("suite/b", True),
        ]  # fmt: skip
        await files.write_bytes("suite/a", b"new")
        assert await read(files, "suite/a") == b"new"


@over(Files)
async def test_deleting_what_is_not_there_is_no_error(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        await files.write_bytes("suite", b"x")
        await files.delete("suite")
        await files.delete("suite")
        for attempt in (read(files, "suite"), files.stat("suite"), files.list("suite")):
            with pytest.raises(BenchError, match="there is no file 'suite'"):
                await attempt


@over(Files)
async def test_no_path_leads_out(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        files = bench.client(Files, path)
        for attempt in (read(files, "../x"), files.write_bytes("a/../../x", b""), files.delete("../../etc/passwd")):
            with pytest.raises(BenchError, match="leads out"):
                await attempt
