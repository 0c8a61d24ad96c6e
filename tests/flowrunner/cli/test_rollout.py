"""Approving and resuming from the command line."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowrunner.engine.lines import read
from tests.support.flow import clean
from tests.support.rollout_checker import check

LAB = "exporters:\n" + "".join(
    f"  gw-{n}: {{labels: {{product: gateway}}, export: {{power: {{type: power.virtual}}}}}}\n" for n in range(4)
)

PIPELINE = """
flow: 1
name: gateways
jobs:
  update:
    strategy:
      rollout:
        fleet: {selector: product=gateway}
        waves: [{name: canary, size: 1}, {name: rest, size: 100%}]
        approve: [{before: rest}]
    devices: {gw: {requires: [power]}}
    steps:
      - power: on
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "lab.yaml").write_text(LAB)
    (tmp_path / "p.yaml").write_text(PIPELINE)
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    return {**clean(), "FLOW_LOCK_DIR": str(place / "locks"), "TERM": "xterm", "COLUMNS": "100"}


def flow(place: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "flowrunner", *words], cwd=place, env=environment(place), capture_output=True, timeout=60
    )  # fmt: skip
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def waits(place: Path, process: subprocess.Popen[bytes]) -> None:
    journal = place / "runs" / "last" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() or b"approval.requested" not in journal.read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def start(place: Path, terminal: int | None = None) -> subprocess.Popen[bytes]:
    where = subprocess.DEVNULL if terminal is None else terminal
    return subprocess.Popen(
        [sys.executable, "-m", "flowrunner", "run", "p.yaml"], cwd=place, env=environment(place), stdin=where,
        stdout=where, stderr=where, start_new_session=True,
        preexec_fn=None if terminal is None else lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip


def test_a_wave_is_approved_from_another_terminal_and_a_resumed_run_asks_again_for_nothing(place: Path) -> None:
    process = start(place)
    waits(place, process)
    status, said = flow(place, "approve", "last", "reste")
    assert (status, "does not wait for approval of 'reste'" in said, "did you mean 'rest'?" in said) == (2, True, True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 4
    status, said = flow(place, "approve", "last", "rest")
    assert status == 2 and "it waits for none now" in said

    process = subprocess.Popen(
        [sys.executable, "-m", "flowrunner", "resume", "last", "--plain"], cwd=place, env=environment(place),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while flow(place, "approve", "last", "rest")[0]:
        assert process.poll() is None and time.monotonic() < deadline
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out.decode()
    assert "wave 'rest'" in out.decode() and "4 passed" in out.decode()
    events = read(place / "runs" / "last" / "journal.jsonl")
    assert check(events, "update").state == "complete"
    assert flow(place, "resume", "last") == (2, flow(place, "resume", "last")[1])
    assert "passed: there is nothing to go on with" in flow(place, "resume", "last")[1]


def test_who_sits_at_the_terminal_types_yes(place: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(place, theirs)
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    answered = False
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            seen += os.read(ours, 65536)
        except OSError:
            break  # the other end is gone
        if b"type yes" in seen and not answered:
            os.write(ours, b"yes\n")
            answered = True
    os.close(ours)
    assert process.wait(timeout=30) == 0, seen.decode(errors="replace")[-2000:]
    text = seen.decode(errors="replace")
    assert "approve wave 'rest'?" in text
    assert "said yes" in text
    assert "update[2].power1" not in text, "the steps of devices do not scroll by"


def test_a_changed_pipeline_is_not_resumed_and_the_difference_is_said(place: Path) -> None:
    process = start(place)
    waits(place, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 4
    (place / "p.yaml").write_text(PIPELINE.replace("power: on", "power: cycle").replace("size: 1}", "size: 2}"))
    status, said = flow(place, "resume", "last")
    assert status == 2
    assert "cannot go on: something is not as it was" in said
    assert 'update.power1.params.action: "on" -> "cycle"' in said
    assert "waves" in said
