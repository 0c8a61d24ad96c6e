"""Kept states, and disks that lie on the author's files."""

import logging
import shutil
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.model import Size
from tests.drivers.machine.test_qemu_disk import convert, dumped
from tests.support.machines import BytesImage, boots, echo_disk, machine, read_until

pytestmark = [pytest.mark.anyio, pytest.mark.machine]

COPIES = bytes.fromhex(
    "31c08ed88ec0bb0080b80102b90200ba8000cd13a00080"  # read sector 2 to 0x8000; al = its first byte
    "84c0b0307402b031baf803ee"  # al = '0' if that is 0, else '1'; print it
    "bb007cb80103b90200ba8000cd13"  # write ourselves to sector 2
    "b021baf803eef4ebfd"  # print !, halt
)
"""A boot sector that copies itself to the sector behind it; prints 1! when it was there already, else 0!."""


async def test_states_are_kept_listed_replaced_and_deleted() -> None:
    qemu = machine(snapshots=True)
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        await qemu.children["flasher"].flash(BytesImage(echo_disk()))  # type: ignore[attr-defined]
        await qemu.core.on()
        await read_until(console, b"> ")
        for name in ("b", "a", "b"):
            await qemu.save(name)
        assert [state.name for state in await qemu.saved()] == ["a", "b"]
        assert all(state.size > 10_000 for state in await qemu.saved())
        await qemu.delete("a")
        with pytest.raises(BenchError, match="the machine has no saved state 'a'") as caught:
            await qemu.load("a")
        assert caught.value.help == "known: b"
        await qemu.load("b")
        assert await qemu.state() == "running"
        await console.send(b"still")
        assert await read_until(console, b"still") == b"still"


async def test_a_machine_without_a_disk_keeps_states_in_a_file_of_its_own() -> None:
    qemu = machine(snapshots=True)
    async with qemu.opened():
        await qemu.core.on()
        await qemu.save("one")
        await qemu.core.off()
        with pytest.raises(BenchError, match="the machine is off"):
            await qemu.saved()
        await qemu.core.on()
        await qemu.load("one")


async def test_an_authors_disk_is_never_written_and_what_a_guest_wrote_lasts_over_a_power_cycle(tmp_path: Path) -> None:
    base, raw = tmp_path / "base.qcow2", tmp_path / "raw"
    raw.write_bytes(boots(COPIES))
    await convert(raw, base)
    before = base.read_bytes()
    qemu = machine(default_partitions={"root": str(base)}, disk_size="4MiB")
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        for number in range(2):
            await qemu.core.on()
            assert await read_until(console, b"!") == (b"0!", b"1!")[number], "whether the second sector was written"
            await qemu.core.off()
        whole = await dumped(qemu)
        assert (len(whole), whole[:512], whole[512:1024]) == (4 << 20, raw.read_bytes()[:512], raw.read_bytes()[:512])
    assert base.read_bytes() == before


async def test_a_disk_grows_while_the_machine_is_off_and_never_shrinks() -> None:
    qemu = machine(disk_size="1MiB")
    async with qemu.opened():
        await qemu.resize_disk(Size(3 << 20))
        await qemu.resize_memory(Size(48 << 20))
        await qemu.core.on()
        (block,) = await qemu.qmp("query-block")
        assert block["inserted"]["image"]["virtual-size"] == 3 << 20
        assert (await qemu.qmp("query-memory-size-summary"))["base-memory"] == 48 << 20
        with pytest.raises(BenchError, match="cannot be resized while it is on"):
            await qemu.resize_disk(Size(4 << 20))
        await qemu.core.off()
        with pytest.raises(BenchError, match="the disk has 3MiB, it cannot become smaller: 1MiB"):
            await qemu.resize_disk(Size(1 << 20))


async def test_a_disk_that_is_too_small_for_its_image_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(bytes(2 << 20))
    qemu = machine(default_partitions={"root": str(base)}, disk_size="1MiB")
    async with qemu.opened():
        with pytest.raises(BenchError, match="the disk has 2MiB, it cannot become smaller"):
            await qemu.core.on()


async def test_without_qemu_img_it_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "qemu-img" else which(name))
    base = tmp_path / "base"
    base.write_bytes(boots(b"\xf4"))
    qemu = machine(default_partitions={"root": str(base)})
    async with qemu.opened():
        with pytest.raises(BenchError, match="qemu-img is not installed") as caught:
            await qemu.core.on()
        assert caught.value.help == "apt-get install qemu-utils"


async def test_a_machine_that_dies_says_in_the_log_how(caplog: pytest.LogCaptureFixture) -> None:
    qemu = machine(disk_size="1MiB")
    async with qemu.opened():
        await qemu.core.on()
        assert qemu.core._started
        with caplog.at_level(logging.ERROR), anyio.fail_after(10):
            qemu.core._started.process.kill()
            while "QEMU was killed by SIGKILL" not in caplog.text:
                await anyio.sleep(0.01)
