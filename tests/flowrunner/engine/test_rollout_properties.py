"""Random small fleets, random faults, random kills: every invariant of rollouts holds on every journal."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.engine.lines import read
from flowrunner.engine.resume import facts_of
from flowrunner.engine.rollout.approval import Asked, approve
from flowrunner.errors import PipelineError
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Plan, Wave
from tests.support.engine_kit import TALLIES, act
from tests.support.fleets import BOARDS, FleetLab, cut, execute, gate, go_on, rollout
from tests.support.rollout_checker import OVER, check

faults = st.lists(st.sampled_from(["ok"] * 6 + ["fail", "device", "offline", "lost", "slow"]), max_size=3)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A rollout with any of what one may have."""
    waves = []
    for name in draw(st.sampled_from([(), ("one",), ("one", "two")])):
        end = draw(st.sampled_from(["pass"] * 5 + ["fail"]))
        checked = gate(f"update.gate.{name}", act(f"update.gate.{name}.look", then=end, takes=2, until=3, tally=name))
        wave = Wave(
            name=name, size=draw(st.integers(1, 4)), soak=draw(st.sampled_from([None, Duration(50)])),
            gate=checked if draw(st.booleans()) else None, approve=draw(st.booleans()),
        )  # fmt: skip
        waves.append(wave)
    return rollout(
        *waves, Wave(name="rest", percent=100, approve=draw(st.booleans())),
        halt=draw(st.sampled_from([(), ("wave.failed >= 1",), ("fleet.finished > 3 and fleet.failed / fleet.finished > 0.3",)])),
        retries=draw(st.integers(1, 3)), parallel=draw(st.sampled_from([None, 1, 2, 3])),
        per_site=draw(st.sampled_from([None, None, 1, 2])), on_halt=draw(st.sampled_from(["pause", "abort", "rollback"])),
    )  # fmt: skip


def say_yes(plan: Plan, folder: Path) -> None:
    """Approve every wave beforehand."""
    (job,) = plan.scope.jobs
    assert job.rollout
    for wave in job.rollout.waves:
        approve(folder, Asked(job="update", wave=wave.name, plan=plan.digest), by="the test")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plan=plans(), fleet=st.lists(faults, min_size=1, max_size=9), sites=st.integers(1, 3), data=st.data())
def test_a_rollout_keeps_its_invariants_however_often_its_runner_is_killed(
    plan: Plan, fleet: list[Any], sites: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as runs:
        TALLIES.clear()
        lab = FleetLab(fleet, sites)
        ask = [(0.0, lambda runner: say_yes(plan, runner.folder))]
        cancel = (
            [(data.draw(st.integers(1, 60)), lambda runner: runner.cancel("SIGINT"))]
            if data.draw(st.booleans())
            else []
        )
        ran = execute(plan, Path(runs), lab, [*ask, *cancel])
        folder = ran.finished.folder
        check(ran.events, "update")
        for _ in range(data.draw(st.integers(0, 3))):
            begun = next(
                e["n"] for e in reversed(read(folder / "journal.jsonl")) if e["event"] in ("run.started", "run.resumed")
            )
            total = len(read(folder / "journal.jsonl"))
            cut(folder, data.draw(st.integers(begun + 1, total)))
            lab.held.clear()
            if not resumable(folder):
                break
            ran = go_on(plan, folder, lab)
            check(ran.events, "update")
        for _ in range(len(fleet) + 8):  # whoever pauses is told to go on, until all have had their turn
            if check(ran.events, "update").state in OVER:
                break
            ran = go_on(plan, folder, lab)
        seen = check(ran.events, "update")
        assert seen.state in OVER
        assert set(seen.finals) == set(range(len(fleet)))
        assert not lab.held
        assert not any(board.is_on for board in BOARDS.values())


def resumable(folder: Path) -> bool:
    """Whether there is anything to go on with."""
    try:
        facts_of(folder)
    except PipelineError:
        return False
    return True


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans(), size=st.integers(1, 7), data=st.data())
def test_a_fleet_without_faults_ends_the_same_wherever_the_runner_was_killed(
    plan: Plan, size: int, data: st.DataObject
) -> None:
    (job,) = plan.scope.jobs
    assert job.rollout
    calm = replace(job.rollout, waves=tuple(replace(wave, gate=None) for wave in job.rollout.waves))
    plan = replace(plan, scope=replace(plan.scope, jobs=(replace(job, rollout=calm),)))
    with tempfile.TemporaryDirectory() as runs:
        ask = [(0.0, lambda runner: say_yes(plan, runner.folder))]
        whole = execute(plan, Path(runs), FleetLab([[]] * size), ask)
        assert whole.outcome == "passed"
        folder = whole.finished.folder
        cut(folder, data.draw(st.integers(1, len(whole.events) - 1)))
        again = go_on(plan, folder, FleetLab([[]] * size))
        assert again.outcome == "passed"
        assert again.record("update")["outputs"] == whole.record("update")["outputs"]
        seen = check(again.events, "update")
        assert max(seen.attempts.values()) == 1
