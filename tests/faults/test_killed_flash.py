"""`kill -9` of a client that writes a medium behind a mux: its exporter gives the medium back to the target."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.exporters import exporter
from tests.support.loops import empty_loop, needs_root

MIB = 1 << 20

BENCH = """
metadata: {{name: rig}}
export:
  card:
    type: storage.mux
    config:
      path: {device}
      host: losetup {device} {folder}/card && echo host >> {folder}/log
      dut: losetup -d {device} && echo dut >> {folder}/log
"""


@needs_root
@pytest.mark.machine
def test_the_medium_is_back_at_the_target_when_the_client_is_killed_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(b"\xaa" * 32 * MIB)
    with empty_loop() as device:
        (tmp_path / "bench.yaml").write_text(BENCH.format(device=device, folder=tmp_path))
        with exporter(tmp_path / "bench.yaml", tmp_path) as served:
            socket = served.unix.removeprefix("unix:")
            client = subprocess.Popen([sys.executable, "-m", "tests.faults.killed_flash", socket, "card"])
            try:
                _until(lambda: _begun(device), client)
            finally:
                client.kill()
                client.wait()
            _until(lambda: (tmp_path / "log").read_text().split() == ["host", "dut"])
            assert not subprocess.run(["losetup", "-j", tmp_path / "card"], capture_output=True, check=True).stdout


def _begun(device: Path) -> bool:
    """Whether something was written to it."""
    with device.open("rb") as medium:
        return medium.read(64) not in (b"", b"\xaa" * 64)


def _until(holds: object, running: subprocess.Popen[bytes] | None = None) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 40
    while not holds():
        assert running is None or running.poll() is None, "the client ended; what it said is above"
        assert time.monotonic() < deadline
        time.sleep(0.02)
