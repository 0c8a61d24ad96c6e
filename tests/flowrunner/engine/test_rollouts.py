"""Rollouts over small virtual fleets, on a virtual clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowrunner.engine.lines import Event, read
from flowrunner.engine.rollout.approval import Asked, approve, pending
from flowrunner.engine.rollout.fleet import wave_ends
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Wave
from tests.support.engine_kit import act
from tests.support.fleets import CANARY, REST, FleetLab, execute, expression, gate, go_on, rollout
from tests.support.rollout_checker import check


@pytest.mark.parametrize(
    ("waves", "size", "ends"),
    [
        ([Wave(name="a", size=3), Wave(name="b", percent=10), Wave(name="c", percent=100)], 100, [3, 10, 100]),
        ([Wave(name="a", size=3), Wave(name="b", percent=10), Wave(name="c", percent=100)], 4, [3, 3, 4]),
        ([Wave(name="a", percent=1), Wave(name="c", percent=100)], 7, [1, 7]),
        ([Wave(name="a", size=1), Wave(name="b", size=2), Wave(name="c", percent=100)], 2, [1, 2, 2]),
        ([Wave(name="a", percent=33.3), Wave(name="c", percent=100)], 0, [0, 0]),
    ],
)
def test_a_number_is_more_devices_and_a_percentage_is_all_until_there(
    waves: list[Wave], size: int, ends: list[int]
) -> None:
    assert wave_ends(waves, size) == ends


def test_all_devices_pass_wave_by_wave(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 7)
    ran = execute(rollout(CANARY, REST, parallel=3), tmp_path, lab)
    assert ran.outcome == "passed"
    seen = check(ran.events, "update")
    assert seen.state == "complete"
    assert [board.updated for board in lab.boards.values()] == [1] * 7
    assert ran.record("update")["outputs"] == {"name": [f"gw{n}" for n in range(7)]}
    assert [event["value"] for event in (ran.record(f"update[{n}].note")["outputs"] for n in (0, 6))] == [
        "canary",
        "rest",
    ]


def test_a_canary_that_fails_pauses_the_rollout_and_nobody_else_is_touched(tmp_path: Path) -> None:
    lab = FleetLab([[], ["fail"], [], [], []])
    plan = rollout(CANARY, REST, halt=["wave.name == 'canary' and wave.failed >= 1"])
    ran = execute(plan, tmp_path, lab)
    assert ran.outcome == "failed"
    assert check(ran.events, "update").state == "paused"
    assert [board.leases for board in lab.boards.values()] == [1, 1, 0, 0, 0]
    cause = ran.record("update")
    assert cause["message"].startswith("halted in wave 'canary': ${{ wave.name == 'canary'")
    assert cause["message"].endswith("(1 of 2 devices done, 1 failed, 0 errored)")
    assert cause["help"] == "flow resume goes on with it"

    again = go_on(plan, ran.finished.folder, lab)
    seen = check(again.events, "update")
    assert seen.state == "complete"
    assert again.outcome == "failed"
    assert [board.leases for board in lab.boards.values()] == [1] * 5
    assert again.record("update")["message"] == "1 failed of 5 devices"


def test_trouble_of_the_lab_is_no_failure_of_the_product(tmp_path: Path) -> None:
    lab = FleetLab([["device"], ["lost"], ["offline"], []])
    ran = execute(rollout(CANARY, REST, halt=["wave.failed >= 1"]), tmp_path, lab)
    assert check(ran.events, "update").state == "complete"
    assert ran.outcome == "errored"
    ends = {e["device"]: (e["outcome"], e["began"]) for e in ran.of("device.finished")}
    assert ends == {
        "gw0": ("errored", True), "gw1": ("errored", True), "gw2": ("errored", False), "gw3": ("passed", True),
    }  # fmt: skip
    assert ran.record("update")["message"] == "3 errored of 4 devices"


def test_a_device_that_waits_for_another_attempt_leaves_its_slot_to_others(tmp_path: Path) -> None:
    lab = FleetLab([["offline"], [], [], []], sites=1)
    ran = execute(rollout(REST, retries=2, parallel=1), tmp_path, lab)
    assert ran.outcome == "passed"
    check(ran.events, "update")
    assert [(e["device"], e["attempt"]) for e in ran.of("device.started")] == [
        ("gw0", 1), ("gw1", 1), ("gw2", 1), ("gw3", 1), ("gw0", 2),
    ]  # fmt: skip
    (deferred,) = ran.of("device.deferred")
    assert (deferred["pause"], deferred["blame"]) == (60, "infra")
    assert ran.outcomes()["update[0]#2.install"] == "passed"
    assert ran.record("update[0]")["attempts"] == 2


def test_no_more_devices_of_a_site_are_out_of_service_than_may_be(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 9, sites=3)
    ran = execute(rollout(REST, per_site=1), tmp_path, lab)
    assert ran.outcome == "passed"
    check(ran.events, "update")
    assert ran.events[-1]["t"] == pytest.approx(33, abs=1), "three at a time"


def test_a_site_whose_device_failed_is_left_alone(tmp_path: Path) -> None:
    lab = FleetLab([["fail"], [], [], [], [], []], sites=2)
    ran = execute(rollout(REST, per_site=1), tmp_path, lab)
    check(ran.events, "update")
    left = {e["device"]: e["message"] for e in ran.of("device.finished") if e["outcome"] == "skipped"}
    assert left == dict.fromkeys(("gw2", "gw4"), "1 device is out of service at site=s0, and no more may be")
    assert ran.record("update")["message"] == "1 failed, 2 left out of 6 devices"


def test_abort_leaves_the_rest_as_it_is_and_is_final(tmp_path: Path) -> None:
    lab = FleetLab([["fail"], [], []])
    ran = execute(rollout(Wave(name="one", size=1), REST, halt=["wave.failed >= 1"], on_halt="abort"), tmp_path, lab)
    assert check(ran.events, "update").state == "aborted"
    assert [e["outcome"] for e in ran.of("device.finished")] == ["failed", "skipped", "skipped"]


def test_running_devices_finish_when_the_rollout_halts(tmp_path: Path) -> None:
    lab = FleetLab([["fail"], ["slow"], [], []])
    ran = execute(rollout(REST, halt=["fleet.failed >= 1"], parallel=2, on_halt="abort"), tmp_path, lab)
    check(ran.events, "update")
    assert [(e["device"], e["outcome"]) for e in ran.of("device.finished")][:2] == [
        ("gw0", "failed"),
        ("gw1", "passed"),
    ]
    assert [board.leases for board in lab.boards.values()] == [1, 1, 0, 0]


def test_a_rollback_undoes_what_was_begun_the_last_one_first(tmp_path: Path) -> None:
    lab = FleetLab([[], ["offline"], [], ["fail"], [], []])
    plan = rollout(CANARY, REST, halt=["wave.failed >= 1"], parallel=1, on_halt="rollback")
    ran = execute(plan, tmp_path, lab)
    seen = check(ran.events, "update")
    assert seen.state == "rolled back"
    assert seen.undo_order == [3, 2, 0]
    assert [board.restored for board in lab.boards.values()] == [1, 0, 1, 1, 0, 0]


def test_a_rollback_that_fails_is_listed_apart(tmp_path: Path) -> None:
    lab = FleetLab([["slow", "lost"], ["fail"], []])
    ran = execute(rollout(REST, halt=["wave.failed >= 1"], on_halt="rollback"), tmp_path, lab)
    seen = check(ran.events, "update")
    assert seen.undone[0] == "errored"
    assert ran.record("update[0]")["outcome"] == "passed", "that it was updated stays true"
    assert ran.record("update.rollback[0]")["outcome"] == "errored"


def test_a_gate_that_does_not_pass_halts(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 4)
    steps = act("update.gate.canary.look", value=expression("wave.passed")), act("update.gate.canary.no", then="fail")
    wave = replace(CANARY, gate=gate("update.gate.canary", *steps))
    ran = execute(rollout(wave, REST), tmp_path, lab)
    assert check(ran.events, "update").state == "paused"
    assert ran.record("update.gate.canary.look")["outputs"]["value"] == 2
    assert ran.record("update")["message"] == "the gate of 'canary' did not pass: it did not hold"
    assert [board.leases for board in lab.boards.values()] == [1, 1, 0, 0]


def test_a_wave_soaks_and_waits_for_people(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 4)
    plan = rollout(replace(CANARY, soak=Duration(1800)), replace(REST, approve=True))

    def wrong(runner: object) -> None:
        (asked,) = pending(_events(tmp_path))
        approve(_folder(tmp_path), Asked(job=asked.job, wave=asked.wave, plan="2" * 64), by="somebody")

    def right(runner: object) -> None:
        (asked,) = pending(_events(tmp_path))
        approve(_folder(tmp_path), asked, by="the release manager")

    ran = execute(plan, tmp_path, lab, at=[(2000, wrong), (3000, right)])
    assert ran.outcome == "passed"
    check(ran.events, "update")
    (given,) = ran.of("approval.given")
    assert given["by"] == "the release manager"
    assert given["t"] == pytest.approx(3000, abs=1), "an approval of another plan counts for nothing"
    (soaked,) = ran.of("wave.soaked")
    assert soaked["t"] >= 1800
    assert pending(ran.events) == []


def test_an_approval_is_void_when_the_plan_is_another_one(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 3)
    plan = rollout(replace(REST, approve=True), parallel=1)
    yes = Asked(job="update", wave="rest", plan=plan.digest)
    stop = (15, lambda runner: runner.cancel("SIGINT"))
    ran = execute(plan, tmp_path, lab, at=[(1, lambda runner: approve(runner.folder, yes, by="me")), stop])
    assert len(ran.of("approval.given")) == 1
    other = replace(plan, digest="2" * 64)
    again = go_on(other, ran.finished.folder, lab, [stop], force=True)
    assert [event["plan"] for event in again.of("approval.requested")] == [plan.digest, other.digest]
    assert len(again.of("approval.given")) == 1
    assert not again.of("device.resumed"), "nobody is touched before somebody has said yes to this plan"


def test_who_cancels_while_people_are_waited_for_can_go_on_later(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 3)
    plan = rollout(replace(REST, approve=True))
    ran = execute(plan, tmp_path, lab, at=[(5, lambda runner: runner.cancel("SIGINT"))])
    assert ran.outcome == "canceled"
    assert check(ran.events, "update").state == "canceled"
    assert all(board.leases == 0 for board in lab.boards.values())
    asked = Asked(job="update", wave="rest", plan=plan.digest)
    approve(ran.finished.folder, asked, by="me")
    again = go_on(plan, ran.finished.folder, lab)
    assert again.outcome == "passed"
    assert check(again.events, "update").state == "complete"


def test_devices_that_were_canceled_are_gone_on_with_and_not_started_twice(tmp_path: Path) -> None:
    lab = FleetLab([[]] * 5)
    plan = rollout(REST, parallel=2)
    ran = execute(plan, tmp_path, lab, at=[(15, lambda runner: runner.cancel("SIGINT"))])
    assert ran.outcome == "canceled"
    assert check(ran.events, "update").state == "canceled"
    assert len(ran.of("device.finished")) == 2
    again = go_on(plan, ran.finished.folder, lab)
    seen = check(again.events, "update")
    assert (again.outcome, seen.state) == ("passed", "complete")
    assert max(seen.attempts.values()) == 1
    assert {e["device"] for e in again.of("device.resumed")} == {"gw2", "gw3"}
    assert again.record("update")["outputs"]["name"] == [f"gw{n}" for n in range(5)]


def _folder(runs: Path) -> Path:
    return (runs / "last").resolve()


def _events(runs: Path) -> list[Event]:
    return read(_folder(runs) / "journal.jsonl")
