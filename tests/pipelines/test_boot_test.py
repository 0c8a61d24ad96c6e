"""The demo: a real Linux, flashed to the disk of a real machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
EXPORTER = ROOT / "pipelines/exporters/qemu.yaml"

pytestmark = pytest.mark.machine

PANIC = """
flow: 1
name: panic
devices: {dut: {selector: ""}}
watch:
  - {pattern: 'Kernel panic - not syncing: (?P<reason>.+)', outcome: failed, grace: 500ms}
steps:
  - flash: IMAGE
  - power: on
  - login: {username: root, password: flowrunner}
  - send: "echo c > /proc/sysrq-trigger"
  - expect: "this never comes"
finally:
  - power: off
"""

SCREEN = """
flow: 1
name: screen
devices: {dut: {selector: ""}}
steps:
  - flash: IMAGE
  - power: on
  - expect: "login: "
  - snapshot: {name: system-up, hash: pixels, tolerance: 0}
"""


@pytest.fixture(scope="module")
def image() -> Path:
    """The guest, built when it is not there."""
    built = subprocess.run([sys.executable, ROOT / "tools/build_guest.py"], check=True, capture_output=True, text=True)
    return Path(built.stdout.strip()) / "root.img.zst"


def flow(pipeline: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `flow run`; its runs go to `folder`."""
    command = [sys.executable, "-m", "flowrunner", "run", str(pipeline), "--exporter", str(EXPORTER), *arguments]
    environment = {**os.environ, "FLOW_RUNS": str(folder / "runs"), "TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and output."""
    said, _ = process.communicate(timeout=90)
    return process.returncode, said


def written(folder: Path, text: str, image: Path) -> Path:
    """A pipeline of this test."""
    path = folder / "test.yaml"
    path.write_text(text.replace("IMAGE", str(image)))
    return path


def results(folder: Path) -> dict[str, Any]:
    """What the last run in `folder` found."""
    return dict(json.loads((folder / "runs/last/results.json").read_text()))


def console(folder: Path) -> bytes:
    """What the machine printed."""
    return next((folder / "runs/last").glob("*.console.log")).read_bytes()


def machines(folder: Path) -> list[psutil.Process]:
    """The machines whose files are in `folder`."""
    found = psutil.process_iter(["name", "cmdline"])
    return [p for p in found if "qemu-system" in p.info["name"] and str(folder) in " ".join(p.info["cmdline"] or ())]


def test_boots_a_real_machine_from_the_image_that_it_flashed(tmp_path: Path, image: Path) -> None:
    status, said = finished(flow(ROOT / "pipelines/boot-test.yaml", tmp_path, "--input", f"image={image}"))
    assert status == 0, said
    found = results(tmp_path)
    assert found["outcome"] == "passed"
    assert 0.5 < found["outputs"]["boot_time"] < 60
    assert found["outputs"]["release"] == "flowrunner-demo 1.0"
    log = console(tmp_path)
    assert log.lstrip().startswith(b"SYSLINUX"), "the first byte is there"
    assert b"Linux version" in log
    assert machines(tmp_path) == []
    assert list(tmp_path.glob("flow-qemu-*")) == []


def test_a_panic_fails_the_run_and_its_trace_is_complete(tmp_path: Path, image: Path) -> None:
    status, said = finished(flow(written(tmp_path, PANIC, image), tmp_path))
    assert status == 1, said
    assert "sysrq triggered crash" in said
    assert b"Rebooting in 5 seconds" in console(tmp_path)
    assert machines(tmp_path) == []


def test_the_screen_is_the_golden_to_the_pixel(tmp_path: Path, image: Path) -> None:
    status, said = finished(flow(written(tmp_path, SCREEN, image), tmp_path, "--update-snapshots"))
    assert status == 0, said
    fresh = (tmp_path / "snapshots/system-up.png").read_bytes()
    assert fresh == (ROOT / "pipelines/snapshots/system-up.png").read_bytes()


def test_kill_9_in_mid_boot_leaves_no_machine(tmp_path: Path, image: Path) -> None:
    process = flow(ROOT / "pipelines/boot-test.yaml", tmp_path, "--input", f"image={image}")
    end = time.monotonic() + 30
    while not (found := machines(tmp_path)):
        assert time.monotonic() < end, "the machine never came"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert psutil.wait_procs(found, timeout=5)[1] == []
