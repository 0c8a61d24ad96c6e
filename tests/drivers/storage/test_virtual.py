from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.model import Size
from flowrunner_drivers.storage.virtual import VirtualStorage, VirtualStorageConfig
from tests.support.bench import execute

pytestmark = pytest.mark.anyio


def card() -> VirtualStorage:
    return VirtualStorage(VirtualStorageConfig(size=Size(1 << 20)))


async def test_is_written_only_while_the_host_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    storage = card()
    async with storage.opened():
        for switch in (storage.dut, storage.off):
            await switch()
            async with open_image("a.img", base=tmp_path) as image:
                with pytest.raises(BenchError, match="not to the host"):
                    await storage.flash(image)
        await storage.host()
        async with open_image("a.img", base=tmp_path) as image:
            assert (await storage.flash(image)).size == 5000
        assert b"".join([piece async for piece in storage.dump(length=5001)]) == b"x" * 5000 + b"\0"


async def test_asking_for_more_than_there_is_says_how_much_there_is(tmp_path: Path) -> None:
    storage = card()
    async with storage.opened():
        await storage.host()
        with pytest.raises(BenchError, match="has only 1MiB, 2MiB were asked for"):
            async for _ in storage.dump(length=2 << 20):
                pass


def test_flash_and_dump_switch_it_to_the_host_and_back(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"x" * 5000)
    done = execute(
        tmp_path,
        "devices: {dut: board=any}\nsteps:\n  - storage: dut\n  - flash: {image: a.img, verify: true}\n"
        "  - dump: {to: a.bin, length: 5kB}\n"
        "  - {id: back, driver: {call: dut.card.dump, with: {length: 1}, count: 1}}\n",
        export="{card: {type: storage.virtual}}",
    )
    assert [done.record(path)["outcome"] for path in ("flash2", "dump3")] == ["passed", "passed"]
    assert done.files()["artifacts/a.bin"] == b"x" * 5000
    assert "connected to the target" in done.record("back")["message"]
