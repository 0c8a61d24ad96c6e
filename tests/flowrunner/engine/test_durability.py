"""Devices of a rollout share the disk: what is about to happen is there all the same before it happens."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.pipeline.plan import StepNode, walk
from flowrunner.step import Context, Step
from tests.support.fleets import REST, FleetLab, rollout

SYNCED: dict[str, int] = {}
LATE: list[str] = []


class Look(Step):
    """Looks whether its own intent is on the disk."""

    async def run(self, context: Context) -> None:
        journal = Path(context.environment["FLOW_RUN_DIR"]) / "journal.jsonl"
        mine = f'"event":"step.started","path":"{context._path}"'.encode()  # type: ignore[attr-defined]
        at = journal.read_bytes().index(mine)
        if at >= SYNCED.get("bytes", 0):
            LATE.append(context._path)  # type: ignore[attr-defined]


def test_no_step_of_a_device_runs_before_its_intent_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SYNCED.clear()
    LATE.clear()
    threads: set[int] = set()
    real, calls = os.fdatasync, []

    def slow(file: int) -> None:
        size = os.fstat(file).st_size
        threads.add(threading.get_ident())
        time.sleep(0.005)
        real(file)
        calls.append(size)
        SYNCED["bytes"] = max(SYNCED.get("bytes", 0), size)

    monkeypatch.setattr("flowrunner.engine.journal.os.fdatasync", slow)
    plan = rollout(replace(REST), parallel=8)
    (job,) = plan.scope.jobs
    looks = tuple(_looking(node) for node in job.scope.steps)
    plan = replace(plan, scope=replace(plan.scope, jobs=(replace(job, scope=replace(job.scope, steps=looks)),)))
    lab = FleetLab([[]] * 24)
    lab.wait = 0
    runner = Runner(plan, {}, lab, tmp_path, Options(fsync=True))
    finished = anyio.run(runner.run)
    assert finished.exit == 0
    assert LATE == []
    assert len(threads) > 1, "devices wait for the disk, and the loop does not"
    steps = 24 * sum(1 for _ in walk(job.scope))
    assert len(calls) < steps + 24 * 4, "several devices share one sync"


def _looking(node: Any) -> StepNode:
    assert isinstance(node, StepNode)
    return replace(node, step=Look, values={}, device=None)
