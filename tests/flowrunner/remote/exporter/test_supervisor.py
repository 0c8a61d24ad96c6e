"""The supervisor with real children and real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from tests.support.processes import alive, ended

PREAMBLE = """
import os, signal, sys, time
from flowrunner.remote.exporter import supervisor
from flowrunner.remote.exporter.supervisor import Limits, Supervisor
supervisor.FIRST_PAUSE = 0.05
supervisor.KILL_AFTER = 0.3
starts = "{folder}/starts"
def say(text):
    print("say", text, flush=True)
def started():
    with open(starts, "a") as out: print(os.getpid(), file=out)
    return len(open(starts).read().split())
"""


@contextmanager
def supervised(folder: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs `body`, which ends with a call of the supervisor."""
    code = PREAMBLE.format(folder=folder) + dedent(body)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in pids(folder):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def pids(folder: Path) -> list[int]:
    """The children that were started, in order."""
    path = folder / "starts"
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def wait_for(folder: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 10
    while len(pids(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return pids(folder)


SERVING = """
def child(report, addresses):
    def stop(number, frame):
        open("{folder}/signals", "a").write(signal.Signals(number).name + " ")
        if number != signal.SIGHUP: sys.exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, stop)
    report.say(addresses=["127.0.0.1:4711"])
    open("{folder}/addresses", "w").write(str(addresses))
    started()
    while True: signal.pause()
sys.exit(Supervisor(child, Limits(3, 60), say).run())
"""


def test_a_child_that_is_killed_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    with supervised(tmp_path, SERVING.replace("{folder}", str(tmp_path))) as process:
        (first,) = wait_for(tmp_path, 1)
        os.kill(first, signal.SIGKILL)
        wait_for(tmp_path, 2)
        assert (tmp_path / "addresses").read_text() == "['127.0.0.1:4711']"
        process.terminate()
        out, _ = process.communicate(timeout=5)
        assert process.returncode == 0
    assert "say the exporter failed: it was ended by SIGKILL; starting again in 0.05s" in out


def test_signals_reach_the_child_and_a_stop_ends_both(tmp_path: Path) -> None:
    with supervised(tmp_path, SERVING.replace("{folder}", str(tmp_path))) as process:
        (child,) = wait_for(tmp_path, 1)
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while not (tmp_path / "signals").exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
        assert process.returncode == 0
        assert ended(child)
        assert (tmp_path / "signals").read_text() == "SIGHUP SIGTERM "
        assert len(pids(tmp_path)) == 1


def test_too_many_failures_end_it_with_the_last_error(tmp_path: Path) -> None:
    body = """
    def child(report, addresses):
        report.say(error=f"the card reader is gone ({started()})")
        return 3
    sys.exit(Supervisor(child, Limits(3, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert len(pids(tmp_path)) == 3
    assert "starting again in 0.05s" in out and "starting again in 0.1s" in out
    assert "failed 3 times within 60s, the last time because the card reader is gone (3); giving up" in out


def test_failures_that_are_far_apart_are_not_counted_together(tmp_path: Path) -> None:
    body = """
    def child(report, addresses):
        if started() == 4: return 0
        return 3
    sys.exit(Supervisor(child, Limits(2, 0.04), say).run())
    """
    with supervised(tmp_path, body) as process:
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert len(pids(tmp_path)) == 4


@pytest.mark.parametrize("status", [1, 2], ids=["a hook has ended it", "its file is wrong"])
def test_a_child_that_shall_stay_away_is_not_started_again(tmp_path: Path, status: int) -> None:
    body = f"""
    def child(report, addresses):
        started()
        return {status}
    sys.exit(Supervisor(child, Limits(5, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        process.communicate(timeout=10)
    assert process.returncode == status
    assert len(pids(tmp_path)) == 1


def test_a_child_that_does_not_stop_is_killed_behind_the_second_signal(tmp_path: Path) -> None:
    body = """
    def child(report, addresses):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        started()
        while True: time.sleep(60)
    sys.exit(Supervisor(child, Limits(5, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        (child,) = wait_for(tmp_path, 1)
        process.terminate()
        time.sleep(0.4)
        assert alive(child), "one signal leaves it all the time it needs"
        process.terminate()
        process.communicate(timeout=5)
        assert process.returncode == 128 + signal.SIGTERM
        assert ended(child)


def test_a_stop_between_two_starts_ends_it_at_once(tmp_path: Path) -> None:
    body = """
    supervisor.FIRST_PAUSE = 60
    def child(report, addresses):
        started()
        return 3
    sys.exit(Supervisor(child, Limits(5, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        assert process.stdout
        assert "starting again in 60s" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert process.returncode == 128 + signal.SIGINT


def test_a_defect_of_ours_is_shown_and_counts_as_a_failure(tmp_path: Path) -> None:
    body = """
    def child(report, addresses):
        raise ZeroDivisionError("seven")
    sys.exit(Supervisor(child, Limits(2, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        out, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "the last time because ZeroDivisionError: seven" in out
    assert err.count("Traceback") == 2


def test_orphans_are_collected_as_process_1_must(tmp_path: Path) -> None:
    body = """
    import ctypes
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us, as they do to process 1
    def child(report, addresses):
        started()
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.2)
                os._exit(0)
            os._exit(0)
        os.wait()
        while True: time.sleep(60)
    sys.exit(Supervisor(child, Limits(5, 60), say).run())
    """
    with supervised(tmp_path, body) as process:
        wait_for(tmp_path, 1)
        parent = psutil.Process(process.pid)
        deadline = time.monotonic() + 5
        while len(parent.children()) < 2:
            assert time.monotonic() < deadline, "the orphan did not come"
            time.sleep(0.005)
        while len(parent.children()) > 1:
            assert time.monotonic() < deadline, "the orphan stays a zombie"
            time.sleep(0.005)


def test_a_child_whose_parent_was_killed_is_told(tmp_path: Path) -> None:
    body = """
    def child(report, addresses):
        import select
        started()
        select.select([report.alive], [], [])
        open("{folder}/told", "w").close()
        return 0
    sys.exit(Supervisor(child, Limits(5, 60), say).run())
    """.replace("{folder}", str(tmp_path))
    with supervised(tmp_path, body) as process:
        (child,) = wait_for(tmp_path, 1)
        process.kill()
        assert ended(child, within=5)
    assert (tmp_path / "told").exists()


def test_the_parent_can_be_loaded_without_grpc() -> None:
    code = "import sys, json, flowrunner.lab.desk.serving; print(json.dumps([m for m in sys.modules if m == 'grpc']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
