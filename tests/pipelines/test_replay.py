"""A real Linux on a real machine, and the same without the machine."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowrunner.engine.lines import Event, read
from flowrunner.pipeline.compiler import compile
from flowrunner.replay.again import environment_of
from flowrunner.replay.play import Player
from flowrunner.replay.tape import Tape

ROOT = Path(__file__).parents[2]
BOOT = ROOT / "pipelines/boot-test.yaml"

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the boot test."""
    subprocess.run([sys.executable, ROOT / "tools/build_guest.py"], check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("boot")
    command = [sys.executable, "-m", "flowrunner", "run", str(BOOT), "--runs", str(folder / "runs"), "--plain"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "runs/last").resolve()


def values(folder: Path, kind: str, *names: str) -> list[tuple[object, ...]]:
    found: list[Event] = [event for event in read(folder / "journal.jsonl") if event["event"] == kind]
    return [tuple(event[name] for name in names) for event in found]


def test_the_boot_of_a_real_linux_is_replayed_in_every_detail(recorded: Path, tmp_path: Path) -> None:
    tape = Tape(recorded)
    environment = environment_of(tape, {})
    compiled = compile(BOOT, environment=environment)
    player = Player(tape, compiled.plan, compiled.secrets, tmp_path, environment=environment)
    real: dict[str, float] = {}

    def listen(event: Event) -> None:
        if event.get("path") == "boot" and event["event"] in ("step.started", "step.finished"):
            real[event["event"]] = time.perf_counter()

    played = player.play([listen])
    again = played.finished.folder
    assert played.divergence is None
    assert played.finished.exit == 0
    assert values(again, "measurement", "path", "value", "verdict") == values(
        recorded, "measurement", "path", "value", "verdict"
    )
    assert values(again, "match", "console", "start", "end", "text") == values(
        recorded, "match", "console", "start", "end", "text"
    )
    (boot,) = (e for e in read(recorded / "journal.jsonl") if e["event"] == "step.finished" and e["path"] == "boot")
    faster = (boot["ended"] - boot["started"]) / (real["step.finished"] - real["step.started"])
    assert faster > 10  # some 100 on a quiet machine; benchmarks/replay.py has the figure


def test_the_command_says_what_it_replayed(recorded: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flowrunner", "replay", str(recorded), "--runs", str(tmp_path), "--plain"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"boot-test: passed, in a replay of {recorded.name}" in done.stdout
    assert "times as fast" in done.stdout
