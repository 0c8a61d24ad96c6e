"""The page about Python is true: its programs run as they are written."""

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.support.flow import clean
from tests.support.sshd import prepared

ROOT = Path(__file__).parents[3]
PROGRAMS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adapters.md").read_text(), re.DOTALL)

BENCH = """
export:
  power: {{type: power.virtual}}
  console: {{type: console.process, config: {{command: [sh, -c, "stty raw -echo; echo ready; printf 'login: '; exec cat"]}}}}
  web: {{type: network.echo}}
  ssh: {{type: ssh.client, config: {{host: 127.0.0.1, port: {port}, username: {me}, key: {{file: sshd/client}}}}}}
"""

pytestmark = pytest.mark.machine


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the bench that the programs name."""
    server = prepared(tmp_path)
    server.start()
    try:
        anyio.run(server.listening)
        (tmp_path / "bench.yaml").write_text(BENCH.format(port=server.port, me=getpass.getuser()))
        yield tmp_path
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("number", "said"), [(0, f"0 {os.uname().release}\n"), (1, "1 passed"), (2, "http://127.0.0.1:")]
)
def test_its_programs_run(folder: Path, number: int, said: str) -> None:
    file = folder / "test_program.py"
    file.write_text(PROGRAMS[number])
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if "import pytest" in PROGRAMS[number] else []
    done = subprocess.run(
        [sys.executable, *command, file], cwd=folder, capture_output=True, text=True, timeout=90,
        env={**clean(), "FLOW_LOCK_DIR": str(folder / "locks"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout


def test_all_of_them_were_found() -> None:
    assert len(PROGRAMS) == 3
