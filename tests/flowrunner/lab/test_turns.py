"""Concurrency groups: one at a time on this machine, in the order in which they came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from flowrunner.lab.turns import Turns

PIPELINE = """
flow: 1
name: turns
jobs:
  a:
    concurrency: {group: "only ${{ inputs.which }}"}
    steps: [{run: "echo in >> LOG; sleep 0.3; echo out >> LOG"}]
inputs: {which: {default: one}}
"""


def test_one_at_a_time_in_the_order_of_asking(tmp_path: Path) -> None:
    order: list[str] = []
    told: list[tuple[str, int]] = []

    async def one(name: str, turns: Turns) -> None:
        async with turns("group", name, lambda owner, position: told.append((owner, position))):
            order.append(name)
            await anyio.sleep(0.05)
            order.append(name)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(one, name, Turns(lambda: tmp_path))
                await anyio.sleep(0.03)

    anyio.run(main)
    assert order == ["a", "a", "b", "b", "c", "c"]
    assert ("a", 1) in told


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    path = folder / "p.yaml"
    path.write_text(PIPELINE.replace("LOG", str(folder / "log")))
    environment = {**os.environ, "FLOW_LOCK_DIR": str(folder / "locks"), "FLOW_RUNS": str(folder / "runs")}
    command = [sys.executable, "-m", "flowrunner", "run", str(path), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def test_jobs_of_other_runs_take_turns_too(tmp_path: Path) -> None:
    started = [start(tmp_path) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert (tmp_path / "log").read_text().split() == ["in", "out"] * 3


def test_a_run_that_is_killed_gives_its_turn_back(tmp_path: Path) -> None:
    first = start(tmp_path)
    end = time.monotonic() + 30
    while not (tmp_path / "log").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert start(tmp_path).wait(60) == 0
    assert (tmp_path / "log").read_text().split()[-2:] == ["in", "out"]


@pytest.mark.parametrize("names", [("a/b", "a-b"), ("x", "X"), ("", " ")])
def test_groups_of_other_names_are_other_groups(tmp_path: Path, names: tuple[str, str]) -> None:
    async def main() -> None:
        turns = Turns(lambda: tmp_path)
        with anyio.fail_after(10):
            async with turns(names[0], "a", lambda *_: None), turns(names[1], "b", lambda *_: None):
                pass

    anyio.run(main)
