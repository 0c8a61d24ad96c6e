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


@pytest.mark.peer
def test_jumpstarters_command_line_flashes_too(tmp_path: Path, device: Path, served: Exporter) -> None:
    done = j(served.unix, "flasher", "flash", tmp_path / "board.img", within=60)
    assert done.returncode == 0, done.stderr
    assert content(device) == IMAGE
    done = j(served.unix, "flasher", "flash", tmp_path / "board.img", "--target", "nope", within=60)
    assert done.returncode != 0
