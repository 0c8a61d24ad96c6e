"""The flasher where people meet it: in a pipeline, behind an exporter, by hand, and from Jumpstarter's command line."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exporters import Exporter, exporter, run
from tests.support.hands import Desk
from tests.support.loops import loop, needs_root
from tests.support.netboard import bench, bundle
from tests.support.peers import j

pytestmark = [pytest.mark.machine, needs_root]

IMAGE = os.urandom(700_000) + bytes(2_000_000)

PIPELINE = """
flow: 1
name: netflash
devices: {dut: {selector: "", safe_state: keep}}
steps:
  - {id: flash, flash: {image: board.img.xz, verify: true}}
  - expect: {pattern: Starting kernel, within: 20s}
    if: false
  - login: root
  - id: name
    shell: {command: "printf '%s' here"}
  - assert: {that: "${{ steps.name.outputs.stdout == 'here' }}"}
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """The board's disk, beside an image and the bench's file."""
    (tmp_path / "board.img").write_bytes(IMAGE)
    subprocess.run(["xz", "-k", "-0", tmp_path / "board.img"], check=True)
    with loop(tmp_path / "disk", 8 << 20) as found:
        bundle(tmp_path, found)
        bench(tmp_path)
        yield found


@pytest.fixture
def served(tmp_path: Path, device: Path) -> Iterator[Exporter]:
    """The bench behind an exporter."""
    with exporter(tmp_path / "bench.yaml", tmp_path) as found:
        yield found


def content(device: Path) -> bytes:
    """What the board's disk holds."""
    with device.open("rb") as file:
        return file.read(len(IMAGE))


def test_flash_alone_picks_the_network_also_behind_an_exporter(tmp_path: Path, device: Path, served: Exporter) -> None:
    (tmp_path / "p.yaml").write_text(PIPELINE)
    done = run(tmp_path / "p.yaml", tmp_path, exporters=[served.unix])
    assert done.outcome == "passed", done.of("step.finished")
    assert content(device) == IMAGE
    told = [event["message"] for event in done.of("device.log") if event["level"] == "notice"]
    assert [line for line in told if line.startswith("the board writes")]
    assert [line for line in told if line.startswith("the board sends")]  # verify: true reads it back once more
    console = b"".join(data for name, data in done.files().items() if name.endswith("serial.log"))
    assert console.count(b"flasher login: ") == 2


def test_flashes_and_dumps_by_hand(tmp_path: Path, device: Path, served: Exporter) -> None:
    desk = Desk(tmp_path)
    bench(tmp_path)
    done = desk.flow("device", "--exporter", served.unix, "flasher", "flash", "board.img")
    assert done.returncode == 0, done.stderr
    assert content(device) == IMAGE
    done = desk.flow("device", "--exporter", served.unix, "flasher", "flash", "board.img", "--target", "nope")
    assert done.returncode == 3
    assert "the board has no target 'nope'" in done.stderr


SEVERAL = """
flow: 1
name: netflash
devices: {dut: {selector: ""}}
steps:
  - id: flash
    flash: {images: {other: {image: small.img, compression: none}, disk: board.img.xz}}
  - assert: {that: "${{ steps.flash.outputs.bytes == 2700000 + 9 }}"}
"""


def test_several_images_are_written_in_one_boot_by_a_pipeline_and_by_hand(
    tmp_path: Path, device: Path, served: Exporter
) -> None:
    (tmp_path / "small.img").write_bytes(b"the other")
    (tmp_path / "p.yaml").write_text(SEVERAL)
    with loop(tmp_path / "second", 1 << 20) as other:
        bundle(tmp_path, device, targets=f"{{disk: {device}, other: {other}}}")
        done = run(tmp_path / "p.yaml", tmp_path, exporters=[served.unix])
        assert done.outcome == "passed", done.of("step.finished")
        assert content(device) == IMAGE
        assert other.read_bytes()[:9] == b"the other"
        told = [event["message"] for event in done.of("device.log")]
        assert len([line for line in told if line == "U-Boot is at its prompt"]) == 1
        (tmp_path / "small.img").write_bytes(b"another 1")
        words = ("device", "-e", served.unix, "flasher", "flash", "-t", "other:small.img", "-t", "disk:small.img")
        by_hand = Desk(tmp_path).flow(*words)
        assert by_hand.returncode == 0, by_hand.stderr
        assert (
            by_hand.stdout
            == "9B flashed to flasher, other, 9B of it written\n9B flashed to flasher, disk, 9B of it written\n"
        )
        assert other.read_bytes()[:9] == content(device)[:9] == b"another 1"


def test_a_shell_at_the_boot_loader_and_one_in_its_system(tmp_path: Path, device: Path, served: Exporter) -> None:
    desk = Desk(tmp_path)
    bench(tmp_path)
    for word, ask, answer in (
        ("bootloader-shell", "printenv nothing || echo at $?", "at 1"),
        ("busybox-shell", "echo in $dhcp_addr", "in 127.0.0.1"),
    ):
        with desk.terminal("device", "-e", served.unix, "flasher", word) as terminal:
            terminal.expect_exact("stop autoboot", timeout=60)
            terminal.expect_exact("connected to serial; Ctrl-B three times leaves")
            terminal.send(f"{ask}\r")
            terminal.expect_exact(answer, timeout=10)
            terminal.send("\x02" * 3)
            terminal.expect_exact("left serial")
    refused = desk.flow("device", "-e", served.unix, "flasher", "system-shell")
    assert refused.returncode == 2
    assert "a console needs a terminal" in refused.stderr


@pytest.mark.peer
def test_jumpstarters_command_line_flashes_too(tmp_path: Path, device: Path, served: Exporter) -> None:
    done = j(served.unix, "flasher", "flash", tmp_path / "board.img", within=60)
    assert done.returncode == 0, done.stderr
    assert content(device) == IMAGE
    done = j(served.unix, "flasher", "flash", tmp_path / "board.img", "--target", "nope", within=60)
    assert done.returncode != 0
