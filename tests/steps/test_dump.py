import bz2
import gzip
import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.image.zstandard import zstd
from flowrunner.model import Size
from flowrunner_drivers.storage.file import FileStorage
from flowrunner_steps.dump import Dump
from tests.steps.test_flash import Muxed
from tests.support.context import RecordingContext
from tests.support.devices import device

pytestmark = pytest.mark.anyio

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "disk.img": bytes, "disk.img.gz": gzip.decompress, "disk.img.xz": lzma.decompress,
    "disk.img.zst": zstd.decompress, "disk.img.bz2": bz2.decompress,
}  # fmt: skip


@pytest.mark.parametrize("name", UNPACK)
async def test_keeps_the_content_packed_as_its_name_says(tmp_path: Path, name: str) -> None:
    content = os.urandom(50_000) + bytes(9 << 20) + b"end"
    (tmp_path / "card").write_bytes(content)
    context = RecordingContext(tmp_path, device(storage=FileStorage.make({"path": tmp_path / "card"})))
    outputs = await Dump(to=name).run(context)
    kept = context.told.artifacts[0]
    assert UNPACK[name](kept.read_bytes()) == content
    assert kept.stat().st_blocks * 512 < 1 << 20
    assert (outputs.file, outputs.bytes) == (name, len(content))
    assert outputs.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


async def test_keeps_so_much_of_it(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(b"0123456789")
    context = RecordingContext(tmp_path, device(storage=FileStorage.make({"path": tmp_path / "card"})))
    outputs = await Dump(to="head.img", length=Size(4)).run(context)
    assert context.told.artifacts[0].read_bytes() == b"0123"
    assert outputs.bytes == 4
    with pytest.raises(BenchError, match="has only 10 bytes, 11 were asked for"):
        await Dump(to="more.img", length=Size(11)).run(context)


async def test_a_medium_behind_a_mux_goes_to_the_host_and_back(tmp_path: Path) -> None:
    mux = Muxed()
    await Dump(to="x.img", length=Size(3)).run(RecordingContext(tmp_path, device(storage=mux)))
    assert mux.asked == ["host", "dump", "dut"]
