"""What is around a machine: its firmware, its TPM, its networks, its power button."""

import os
import subprocess
from pathlib import Path

import anyio
import psutil
import pytest

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.cables import Nic
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.firmware import find_firmware
from flowrunner_drivers.machine._qemu.wiring import meeting_place, plugged
from tests.support.cloud import cloud, say, up
from tests.support.machines import machine, read_until

pytestmark = [pytest.mark.anyio, pytest.mark.machine, pytest.mark.timeout(180)]


async def test_uefi_keeps_its_variables_while_the_bench_is_open_and_never_writes_those_of_the_system() -> None:
    qemu = machine(firmware="uefi", mem="128M")
    async with qemu.opened():
        (variables,) = (path for path in (await qemu.core.disk.files()).values() if path.parent == qemu.core.folder)
        fresh = variables.read_bytes()
        await qemu.core.on()
        with anyio.fail_after(60):
            while variables.read_bytes() == fresh:
                await anyio.sleep(0.05)
        await qemu.core.off()
        kept = variables.read_bytes()
        assert (await qemu.core.disk.files())["OVMF_VARS.fd"] == variables
        assert variables.read_bytes() == kept
    async with qemu.opened():
        assert (await qemu.core.disk.files())["OVMF_VARS.fd"].read_bytes() == fresh


async def test_a_tpm_keeps_its_state_ends_with_its_machine_and_comes_back() -> None:
    qemu = machine(tpm=True)
    async with qemu.opened():
        for _ in range(2):
            await qemu.core.on()
            (found,) = await qemu.qmp("query-tpm")
            assert found["model"] == "tpm-crb"
            (program,) = [p for p in psutil.Process().children(recursive=True) if p.name() == "swtpm"]
            await qemu.core.off()
            assert not program.is_running()
        assert list((qemu.core.folder / "tpm").iterdir()), "what it keeps is in the machine's folder"


async def test_two_machines_of_one_user_reach_each_other_without_any_rights(tmp_path: Path) -> None:
    link = str(tmp_path / "l")
    first, second = (
        cloud(f"flow.eth0=10.7.0.{at} flow.eth1=10.8.0.{at}", nics=[{"segment": link}, {"link": link, "end": end}])
        for at, end in ((1, "a"), (2, "b"))
    )
    async with (
        first.opened(),
        second.opened(),
        first.children["console"].connect() as one,  # type: ignore[attr-defined]
        second.children["console"].connect() as two,  # type: ignore[attr-defined]
    ):
        async with anyio.create_task_group() as tasks:
            for qemu, console in ((first, one), (second, two)):
                await qemu.core.on()
                tasks.start_soon(up, console)
        for address in ("10.7.0.2", "10.8.0.2"):
            assert " 0% packet loss" in await say(one, f"ping -c 2 -W 5 {address}"), address
        await second.shutdown(60)
        assert await second.state() == "off"
        assert "100% packet loss" in await say(one, "ping -c 1 -W 1 10.7.0.2")


def test_a_segment_is_one_place_for_a_name_and_another_for_another() -> None:
    assert meeting_place("lan") == meeting_place("lan")
    assert meeting_place("lan") != meeting_place("wan")
    group, _, port = meeting_place("lan").partition(":")
    assert group.startswith("239.255.")
    assert 20_000 <= int(port) < 30_000


IN_NAMESPACE = """
import anyio, sys
from tests.support.machines import machine, read_until
async def main():
    qemu = machine(nics=[{"tap": "tapq"}])
    async with qemu.opened():
        await qemu.core.on()
        print((await qemu.qmp("human-monitor-command", {"command-line": "info network"})))
anyio.run(main)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root")
def test_a_tap_that_is_there_is_taken() -> None:
    root = Path(__file__).parents[3]
    script = 'ip link set lo up && ip tuntap add dev tapq mode tap && ip link set tapq up && exec "$@"'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script, "sh", root / ".venv/bin/python", "-c", IN_NAMESPACE],
        capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "type=tap" in done.stdout


@pytest.mark.parametrize(
    ("nic", "why"),
    [
        ({"tap": "none-such"}, "there is no interface 'none-such'"),
        ({"tap": "tap0", "netns": "none-such"}, "there is no network namespace 'none-such'"),
    ],
)
def test_a_cable_that_leads_nowhere_is_told(nic: dict[str, str], why: str) -> None:
    with pytest.raises(BenchError, match=why) as caught, plugged([Nic.model_validate(nic)], ["52:54:00:00:00:01"]):
        pass
    assert caught.value.help


async def test_vsock_says_which_module_it_needs() -> None:
    if os.access("/dev/vhost-vsock", os.R_OK | os.W_OK):
        pytest.skip("this host has vsock for machines")
    qemu = cloud(vsock={"agent": 22})
    async with qemu.opened():
        with pytest.raises(BenchError, match="vsock cannot be used") as caught:
            await qemu.core.on()
        assert "modprobe vhost_vsock" in (caught.value.help or "")
        with pytest.raises(BenchError, match="nobody is behind 'agent': the machine is off"):
            await qemu.children["agent"].address()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arch", "firmware"),
    [("arm", "qemu_arm/u-boot.bin"), ("riscv64", "qemu-riscv64/u-boot.bin"), ("aarch64", "qemu_arm64/u-boot.bin")],
)
async def test_machines_of_other_kinds_start_their_firmware(arch: str, firmware: str) -> None:
    qemu = machine(arch=arch, mem="128M", default_partitions={"bios": f"/usr/lib/u-boot/{firmware}"})
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        await qemu.core.on()
        assert b"U-Boot 20" in await read_until(console, b"stop autoboot", 60)
        assert await qemu.children["vnc"].size() != (0, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"arch": "x86_64", "firmware": "uefi"}, "OVMF_CODE_4M.fd"),
        ({"arch": "x86_64", "firmware": "uefi", "machine": "pc"}, "OVMF_CODE_4M.fd"),
        ({"arch": "x86_64", "firmware": "secure"}, "OVMF_CODE_4M.ms.fd"),
        ({"arch": "aarch64", "firmware": "uefi"}, "AAVMF_CODE.fd"),
        ({"arch": "aarch64", "firmware": "secure"}, "AAVMF_CODE.ms.fd"),
    ],
)
def test_finds_the_firmware_that_the_system_describes(config: dict[str, str], code: str) -> None:
    assert find_firmware(QemuConfig.model_validate(config)).code.name == code


def test_a_firmware_that_is_not_installed_names_its_package() -> None:
    with pytest.raises(
        BenchError, match="no UEFI with Secure Boot for the machine pc of x86_64 is installed"
    ) as caught:
        find_firmware(QemuConfig(arch="x86_64", machine="pc", firmware="secure"))
    assert "apt-get install ovmf" in (caught.value.help or "")


async def test_secure_boot_firmware_starts() -> None:
    qemu = machine(firmware="secure", mem="128M")
    async with qemu.opened():
        await qemu.core.on()
        assert await qemu.state() == "running"
