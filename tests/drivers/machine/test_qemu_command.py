import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from flowrunner_drivers.machine._qemu import accel
from flowrunner_drivers.machine._qemu.accel import choose, runs
from flowrunner_drivers.machine._qemu.command import Start, arguments
from flowrunner_drivers.machine._qemu.config import QemuConfig, host_arch
from flowrunner_drivers.machine._qemu.disk import Drive
from flowrunner_drivers.machine._qemu.process import program

pytestmark = pytest.mark.anyio


def line(config: QemuConfig, root: Drive | None = None, **files: str) -> str:
    paths = {name.replace("_fd", ".fd"): Path(path) for name, path in files.items()}
    return " ".join(arguments(config, Start("tcg", config.mem, 7, 8, paths, root)))


def test_sizes_are_read_as_qemu_and_as_flowrunner_write_them() -> None:
    assert QemuConfig.model_validate({"mem": "256M"}).mem == 256 << 20
    assert QemuConfig.model_validate({"disk_size": "20GiB"}).disk_size == 20 << 30
    with pytest.raises(ValidationError, match="needs a size, got the number 512"):
        QemuConfig.model_validate({"mem": 512})
    with pytest.raises(ValidationError, match="accel"):
        QemuConfig.model_validate({"accel": "hvf"})


def test_an_x86_machine_has_a_screen_and_a_disk() -> None:
    text = line(QemuConfig(arch="x86_64"), Drive(Path("/a,b.img"), "raw"))
    assert "-machine q35 -accel tcg -cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt -smp 2 -m 524288k" in text
    assert "-device VGA -display vnc=none" in text
    assert "file.filename=/a,,b.img" in text


def test_an_arm_machine_boots_firmware_or_a_kernel() -> None:
    config = QemuConfig(arch="aarch64", append="console=ttyAMA0", kernel=Path("/vmlinuz"), vnc=True)
    text = line(config, bios="/u-boot.bin", initrd="/initrd", OVMF_CODE_fd="/code", OVMF_VARS_fd="/vars")
    assert "-machine virt -accel tcg -cpu cortex-a57" in text
    assert "-device virtio-gpu-pci -display vnc=none" in text
    assert "-bios /u-boot.bin -drive if=pflash,unit=0,format=raw,readonly=on,file=/code" in text
    assert "-kernel /vmlinuz -initrd /initrd -append console=ttyAMA0" in text


def test_what_the_author_adds_comes_last() -> None:
    config = QemuConfig.model_validate({"args": ["-device", "i6300esb"], "network": False, "cpu": "max"})
    text = line(config)
    assert text.endswith("-device i6300esb")
    assert "-netdev" not in text
    assert "-cpu max" in text


@pytest.mark.machine
async def test_the_proof_passes_where_guests_run() -> None:
    assert await runs(QemuConfig(arch="x86_64"), program("x86_64"), "tcg")


@pytest.mark.machine
async def test_the_proof_fails_where_the_accelerator_does_not_exist() -> None:
    assert not await runs(QemuConfig(arch="x86_64"), program("x86_64"), "xen")


@pytest.mark.machine
async def test_auto_proves_once_and_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def count(config: QemuConfig, qemu: str, accel: str) -> bool:
        asked.append(accel)
        return await runs(config, qemu, "tcg")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accel, "NODE", tmp_path)
    monkeypatch.setattr(accel, "runs", count)
    config = QemuConfig(arch=host_arch())
    assert os.access(tmp_path, os.R_OK | os.W_OK)
    assert [await choose(config, program(host_arch())) for _ in range(2)] == ["kvm", "kvm"]
    assert asked == ["kvm"]
    monkeypatch.setattr(accel, "BOOT_ID", Path("/proc/sys/kernel/random/uuid"))
    await choose(config, program(host_arch()))
    assert asked == ["kvm", "kvm"], "after a boot of the host it is proved again"


async def test_what_the_author_chose_is_not_questioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await choose(QemuConfig(accel="kvm"), "qemu") == "kvm"
    assert await choose(QemuConfig(accel="tcg"), "qemu") == "tcg"
    monkeypatch.setattr(accel, "NODE", tmp_path / "kvm")
    assert await choose(QemuConfig(), "qemu") == "tcg"
