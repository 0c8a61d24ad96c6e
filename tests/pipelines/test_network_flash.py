"""The board that is flashed over its network: real U-Boot, a real kernel, real DHCP, TFTP and HTTP, on two machines."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NETWORK = ROOT / "tools/netboot/network.sh"
NEEDED = ("qemu-system-aarch64", "qemu-system-x86_64", "dnsmasq", "ip", "setpriv")

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        os.geteuid() != 0
        or not Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin").exists()
        or not all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in NEEDED),
        reason="needs root, u-boot-qemu, qemu-system-arm, qemu-system-x86, dnsmasq-base and iproute2",
    ),
]


@pytest.fixture(scope="module")
def systems() -> Path:
    """What boots over the network, built when it is not there."""
    command = [sys.executable, "-m", "tools.build_netboot"]
    built = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return Path(built.stdout.strip())


def flow(folder: Path, exporter: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the pipeline in a network of its own; its exit status and output."""
    pipeline = ROOT / "pipelines/network-flash.yaml"
    command: list[str | Path] = [
        NETWORK,
        sys.executable,
        "-m",
        "flowrunner",
        "run",
        pipeline,
        "--exporter",
        exporter,
        *arguments,
    ]
    done = subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280,
        env={**os.environ, "FLOW_RUNS": str(folder / "runs"), "TMPDIR": str(folder), **environment},
    )  # fmt: skip
    return done.returncode, done.stdout


def journal(folder: Path) -> list[dict[str, Any]]:
    """What the last run in `folder` wrote down."""
    return [json.loads(line) for line in (folder / "runs/last/journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("machine", "arch"), [("netboot-x86", "amd64"), ("netboot-arm64", "arm64")])
def test_a_board_is_flashed_through_its_boot_loader(tmp_path: Path, systems: Path, machine: str, arch: str) -> None:
    exporter = ROOT / f"pipelines/exporters/{machine}.yaml"
    status, said = flow(tmp_path, exporter, "-i", f"image={systems / arch / 'board.img'}")
    assert status == 0, said
    told = [event["message"] for event in journal(tmp_path) if event["event"] == "device.log"]
    for words in ("U-Boot is at its prompt", "kernel: ", "logged in as 'root'", "the board writes", "reads", "done"):
        assert any(words in line for line in told), words
    assert "notice   dut.flasher: the board writes" in said
    console = (tmp_path / "runs/last/dut.machine.console.log").read_text(errors="replace")
    assert console.index("flasher login:") < console.index("reboot: ") < console.index("board login:")
    assert not list(tmp_path.glob("flow*"))


def test_a_network_without_dhcp_is_the_labs_fault_and_leaves_the_board_off(tmp_path: Path, systems: Path) -> None:
    text = (ROOT / "pipelines/exporters/netboot-x86.yaml").read_text()
    hasty = text.replace("off_for: 200ms", "off_for: 200ms, uboot_timeout: 4s, retries: 0")
    exporter = tmp_path / "bench.yaml"
    exporter.write_text(hasty.replace("../../.cache/netboot", str(systems)))
    image = f"image={systems / 'amd64/board.img'}"
    status, said = flow(tmp_path, exporter, "-i", image, NO_DHCP="1")
    assert status == 3
    assert "the board was not done within 4s while it asked for an address" in said
    assert "errored (infra)" in said
    assert "BOOTP broadcast" in said
