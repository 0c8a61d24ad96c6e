"""`flow resume` behind a runner that was really killed."""

import signal
import time
from pathlib import Path

import pytest

from tests.support.flow import Workplace

STEPS = """
steps:
  - id: once
    run: echo once >> done; echo 41
  - id: on
    power: on
  - id: long
    run: echo long >> done; test -e go || sleep 60
  - run: echo ${{ steps.once.outputs.stdout | trim }} >> done
outputs: {found: "${{ steps.once.outputs.stdout | trim }}"}
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_a_run_that_was_killed_goes_on_and_its_device_is_as_it_must_be(place: Workplace) -> None:
    place.write(STEPS)
    process = place.start("run", "p.yaml")
    deadline = time.monotonic() + 30
    while "long" not in ((place.folder / "done").read_text() if (place.folder / "done").exists() else ""):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert place.lamp.exists(), "nobody turned it off"
    (place.folder / "go").touch()
    done = place.flow("resume", "last", "--plain")
    assert done.returncode == 0, done.stderr
    assert (place.folder / "done").read_text().split() == ["once", "long", "long", "41"]
    assert not place.lamp.exists()
    assert place.journal[-1]["outcome"] == "passed"
    kinds = [event["event"] for event in place.journal]
    assert kinds.count("run.started") == kinds.count("run.resumed") == 1
    assert [event["path"] for event in place.journal if event["event"] == "step.restored"] == ["once"]
    said = place.flow("report", "last").stdout.decode()
    assert "4 steps: 4 passed" in said, said


def test_a_run_that_goes_on_elsewhere_is_left_alone(place: Workplace) -> None:
    place.write(STEPS)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    said = place.flow("resume", "last")
    assert said.returncode == 3
    assert b"is still running as process" in said.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 4
    process.communicate()


def test_a_device_that_is_another_one_now_is_told(place: Workplace) -> None:
    place.write(STEPS)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    lab = place.folder / "lab.yaml"
    lab.write_text(lab.read_text().replace("board: lamp", "board: lamp, rack: b"))
    said = place.flow("resume", "last")
    assert said.returncode == 2
    assert b'dut (lamp) labels.rack: nothing -> "b"' in said.stderr
    assert place.flow("recover", "last").returncode == 0, "the run can still be closed"
    assert not place.lamp.exists()
