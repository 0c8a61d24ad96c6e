from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.storage import Flasher
from flowrunner_drivers.machine.qemu import Qemu
from tests.support.machines import SIZE, BytesImage, echo_disk, machine, read_until

pytestmark = pytest.mark.anyio


def flasher(qemu: Qemu) -> Flasher:
    return Flasher.client(Direct(qemu.children["flasher"]))  # type: ignore[arg-type]


async def dumped(qemu: Qemu, target: str | None = None, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in flasher(qemu).dump(target, length)])


@pytest.mark.parametrize("known", [True, False])
async def test_writes_an_image_sparsely_and_reads_it_back(known: bool) -> None:
    qemu = machine(disk_size="4MiB")
    async with qemu.opened():
        written = await flasher(qemu).flash(BytesImage(echo_disk(), size_known=known))
        assert (written.written, written.size) == (4096, SIZE)
        assert await dumped(qemu, length=SIZE) == echo_disk()
        assert len(await dumped(qemu)) == 4 << 20
        assert (qemu.core.folder / "root").stat().st_blocks * 512 <= 8192


@pytest.mark.parametrize("known", [True, False])
async def test_refuses_an_image_that_is_larger_than_the_disk(known: bool) -> None:
    qemu = machine(disk_size="512KiB")
    async with qemu.opened():
        with pytest.raises(BenchError, match=r"'test.img' is larger than 'the machine's root', which has 512KiB"):
            await flasher(qemu).flash(BytesImage(b"x" * SIZE, size_known=known))


async def test_a_disk_without_a_size_is_as_large_as_the_image() -> None:
    qemu = machine()
    async with qemu.opened():
        with pytest.raises(BenchError, match="has no 'root' yet"):
            await dumped(qemu)
        await flasher(qemu).flash(BytesImage(echo_disk()))
        await flasher(qemu).flash(BytesImage(b"short"))
        assert await dumped(qemu) == b"short"


async def test_names_the_partitions_when_one_is_not_known() -> None:
    qemu = machine()
    async with qemu.opened():
        with pytest.raises(BenchError, match="no partition 'boot'") as caught:
            await flasher(qemu).flash(BytesImage(b"x"), "boot")
        assert "root" in (caught.value.help or "")
        assert caught.value.blame == "config"


async def test_a_disk_that_the_config_names_is_made_and_stays(tmp_path: Path) -> None:
    disk = tmp_path / "a, b.raw"
    qemu = machine(disk=str(disk), disk_size="2MiB")
    async with qemu.opened():
        assert disk.stat().st_size == 2 << 20
        assert disk.stat().st_blocks == 0
        await flasher(qemu).flash(BytesImage(echo_disk()))
    assert disk.read_bytes()[:SIZE] == echo_disk()
    async with qemu.opened():
        assert await dumped(qemu, length=SIZE) == echo_disk()


async def test_a_default_partition_is_never_changed(tmp_path: Path) -> None:
    default = tmp_path / "default.img"
    default.write_bytes(echo_disk("!default> "))
    qemu = machine(default_partitions={"root": str(default), "bios": str(default)})
    async with qemu.opened():
        assert await dumped(qemu) == default.read_bytes()
        await flasher(qemu).flash(BytesImage(b"other"))
        await flasher(qemu).flash(BytesImage(b"firmware"), "bios")
        assert await dumped(qemu) == b"other"
        assert await dumped(qemu, "bios") == b"firmware"
    assert default.read_bytes() == echo_disk("!default> ")


async def test_names_a_default_partition_that_is_not_there(tmp_path: Path) -> None:
    for partitions, message in (
        ({"root": f"{tmp_path}/gone"}, "there is no file"),
        ({"rot": "/"}, "no partition 'rot'"),
    ):
        with pytest.raises(BenchError, match=message):
            async with machine(default_partitions=partitions).opened():
                pass


@pytest.mark.machine
async def test_a_running_machine_keeps_its_disk_and_a_disk_in_use_keeps_the_machine_off() -> None:
    qemu = machine()
    async with qemu.opened():
        await flasher(qemu).flash(BytesImage(echo_disk()))
        await qemu.children["power"].on()  # type: ignore[attr-defined]
        with pytest.raises(BenchError, match="cannot be written while it is on") as caught:
            await flasher(qemu).flash(BytesImage(echo_disk()))
        assert caught.value.help == "power it off first"
        with pytest.raises(BenchError, match="cannot be read while it is on"):
            await dumped(qemu)
        await qemu.children["power"].off()  # type: ignore[attr-defined]
        async with aclosing(cast("AsyncGenerator[bytes]", flasher(qemu).dump())) as reading:
            await anext(reading)
            with pytest.raises(BenchError, match="cannot start while its disk is being read"):
                await qemu.children["power"].on()  # type: ignore[attr-defined]
        await qemu.children["power"].on()  # type: ignore[attr-defined]


@pytest.mark.machine
async def test_boots_a_default_root_and_a_qcow2_that_was_flashed(tmp_path: Path) -> None:
    raw, packed = tmp_path / "raw.img", tmp_path / "packed.qcow2"
    raw.write_bytes(echo_disk("!raw> "))
    qemu = machine(default_partitions={"root": str(raw)})
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        await qemu.children["power"].on()  # type: ignore[attr-defined]
        assert await read_until(console, b"> ") == b"!raw> "
        await qemu.children["power"].off()  # type: ignore[attr-defined]
        raw.write_bytes(echo_disk("!packed> "))
        await convert(raw, packed)
        await flasher(qemu).flash(BytesImage(packed.read_bytes()))
        await qemu.children["power"].on()  # type: ignore[attr-defined]
        assert await read_until(console, b"> ") == b"!packed> "


async def convert(raw: Path, packed: Path) -> None:
    await anyio.run_process(["qemu-img", "convert", "-O", "qcow2", str(raw), str(packed)])
