"""Real processes and real signals: nothing is left powered, leased, or running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.flow import Workplace, clean, end

LONG = """
steps:
  - power: on
  - id: long
    run: sleep 60
finally:
  - {id: last, run: "sleep 0.2; touch finally"}
"""
HANGING = LONG.replace("sleep 0.2; touch finally", "touch begun; sleep 60")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def outcomes(place: Workplace) -> dict[str, str]:
    return {event["path"]: event["outcome"] for event in place.journal if event["event"] == "step.finished"}


def leftovers(place: Workplace) -> list[int]:
    run = (place.folder / "runs" / "last").resolve().name
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FLOW_RUN_ID") == run:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_the_step_and_cleans_up(place: Workplace, number: signal.Signals) -> None:
    place.write(LONG)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    status, _ = end(process, number)
    assert status == 4
    assert (place.folder / "finally").exists()
    assert not place.lamp.exists()
    assert place.journal[-1]["outcome"] == "canceled"
    assert not leftovers(place)


def test_a_second_signal_skips_finally_but_not_the_safe_state(place: Workplace) -> None:
    place.write(HANGING)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    process.send_signal(signal.SIGINT)
    place.wait_for("step.started", path="finally.last")
    status, _ = end(process, signal.SIGINT)
    assert status == 4
    assert not place.lamp.exists()
    assert outcomes(place)["finally.last"] == "canceled"
    assert not leftovers(place)


def test_a_third_signal_leaves_at_once_and_recover_finishes(place: Workplace) -> None:
    place.write(HANGING.replace("power: on", "power: on\n  - {run: trap '' TERM; sleep 61, on_failure: continue}"))
    process = place.start("run", "p.yaml")
    place.wait_for("created")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    asked = time.monotonic()
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - asked < 1
    assert process.returncode == 4
    assert b"flow recover" in err
    assert place.lamp.exists()
    done = place.flow("recover")
    assert done.returncode == 0, done.stderr
    assert not place.lamp.exists()
    assert not leftovers(place)
    assert place.journal[-1]["event"] == "run.finished"
    assert (place.folder / "runs" / "last" / "report.html").exists()


def test_recover_finds_the_lab_of_the_run_from_any_folder(place: Workplace, tmp_path: Path) -> None:
    place.write(HANGING)
    process = place.start("run", "p.yaml", "--lab", "lab.yaml")
    place.wait_for("step.started", path="long")
    process.kill()
    process.communicate()
    assert place.lamp.exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = Workplace(elsewhere).flow("recover", str((place.folder / "runs" / "last").resolve()))
    assert done.returncode == 0, done.stderr
    assert not place.lamp.exists()


KILLER = """
import os, sys
from flowrunner.engine import journal
from flowrunner.__main__ import main
left = int(os.environ["KILL_AT"])
write = journal.Journal.write
def counted(self, *args, **kwargs):
    global left
    write(self, *args, **kwargs)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
journal.Journal.write = counted
sys.argv[0] = "flow"
main()
"""


def test_a_kill_at_any_line_of_the_journal_can_be_recovered(place: Workplace) -> None:
    place.write("steps:\n  - power: on\n  - run: sleep 0.01\nfinally:\n  - run: echo bye\n")
    whole = place.flow("run", "p.yaml")
    assert whole.returncode == 0, whole.stderr
    lines = len(place.journal)
    for line in range(1, lines + 1, 2):
        killed = subprocess.run(
            [sys.executable, "-c", KILLER, "run", "p.yaml"], cwd=place.folder, capture_output=True, timeout=60,
            env={**clean(), "KILL_AT": str(line), "FLOW_LOCK_DIR": str(place.folder / "locks")},
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(place.journal) == line
        done = place.flow("recover")
        assert done.returncode == 0, (line, done.stderr)
        assert not place.lamp.exists(), line
        assert not leftovers(place), line
        assert [event["n"] for event in place.journal] == list(range(len(place.journal)))
        assert place.journal[-1]["event"] == "run.finished"
    again = place.flow("recover")
    assert b"left nothing behind" in again.stdout


def test_a_killed_run_frees_its_lease_at_once(place: Workplace) -> None:
    place.write(LONG)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    held = place.flow("leases")
    assert b"lamp" in held.stdout and str(process.pid).encode() in held.stdout
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert b"no device" in place.flow("leases").stdout
    place.write("steps:\n  - power: on\n", "q.yaml")
    assert place.flow("run", "q.yaml").returncode == 0


def test_recover_refuses_a_run_that_is_alive(place: Workplace) -> None:
    place.write(LONG)
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    refused = place.flow("recover")
    assert refused.returncode == 3
    assert f"still running as process {process.pid}".encode() in refused.stderr
    end(process, signal.SIGINT)


def test_two_runs_on_one_bench_take_turns(place: Workplace) -> None:
    place.write("steps:\n  - power: on\n  - run: sleep 0.5; echo $FLOW_RUN_ID >>order\n")
    first, second = place.start("run", "p.yaml", "--runs", "a"), place.start("run", "p.yaml", "--runs", "b")
    for process in (first, second):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, (out, err)
    assert len((place.folder / "order").read_text().split()) == 2
