"""The commands of a machine and its screen, on a real one, as they are typed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machines import picture

pytestmark = pytest.mark.machine

EXPORTER = "export:\n  board: {type: machine.qemu, config: {accel: tcg, mem: 32M, smp: 1, snapshots: true}}\n"
SCRIPT = """
flow device power on
flow device vnc snapshot -o screen.png
flow device vnc press enter ctrl-alt-f2
flow device save clean
flow device saved --json
flow device qmp human-monitor-command '{"command-line": "info version"}'
"""


def flow(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "flowrunner", *words], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_machine_is_driven_by_hand(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(EXPORTER)
    shell = flow(tmp_path, "shell", "--exporter", "e.yaml", "--", "sh", "-ec", SCRIPT)
    said, wrong = shell.communicate(timeout=90)
    assert shell.returncode == 0, wrong
    assert picture((tmp_path / "screen.png").read_bytes()).size == (720, 400)
    assert '"name": "clean"' in said
    assert re.search(r"^\d+\.\d+\.\d+", said, re.MULTILINE)


def test_open_says_where_the_screen_is_until_it_is_ended(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(EXPORTER)
    opened = flow(tmp_path, "device", "--exporter", "e.yaml", "vnc", "open")
    assert opened.stdout
    line = opened.stdout.readline()
    assert re.search(r"the screen of .*vnc is at http://127\.0\.0\.1:\d+/[\w-]{20,}/vnc\.html\?", line), line
    opened.send_signal(signal.SIGINT)
    opened.communicate(timeout=20)
    assert opened.returncode in (4, 130), opened.returncode
