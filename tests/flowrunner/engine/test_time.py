"""Deadlines and canceling: SEMANTICS D3 and D4."""

from pathlib import Path

import pytest

from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest, Retry
from tests.support.engine_kit import HERE, VirtualLab, act, execute, group, plan


def test_a_step_ends_at_its_own_timeout_and_its_kind_says_whose_fault_that_is(tmp_path: Path) -> None:
    late = execute(plan(act("a", takes=60, timeout=Duration(10))), tmp_path)
    assert (late.outcome, late.record("a")["cause"]) == ("failed", "timeout")
    assert late.record("a")["ended"] == pytest.approx(10)
    setup = execute(plan(act("a", takes=60, timeout=Duration(10), kind="setup")), tmp_path)
    assert (setup.outcome, setup.record("a")["blame"]) == ("errored", "infra")


def test_a_longer_timeout_below_a_shorter_one_is_capped_and_names_the_shorter(tmp_path: Path) -> None:
    ran = execute(plan(group("g", [act("g.a", takes=60, timeout=Duration(50))], timeout=Duration(5))), tmp_path)
    assert ran.record("g.a")["ended"] == pytest.approx(5)
    assert "its timeout of 5s" in ran.record("g.a")["message"]


def test_nothing_starts_after_the_scope_ran_out_of_time(tmp_path: Path) -> None:
    steps = (act("a", takes=9, timeout=Duration(20), on_failure="continue"), act("b"))
    ran = execute(plan(*steps, timeout=Duration(5), last=(act("z"),)), tmp_path)
    assert ran.outcomes() == {"a": "failed", "b": "skipped", "z": "passed"}
    assert ran.record("b")["cause"] == "timeout"


def test_attempts_have_a_timeout_of_their_own_and_nothing_is_divided(tmp_path: Path) -> None:
    retry = Retry(attempts=3, on=("timeout",), attempt_timeout=Duration(10))
    ran = execute(plan(act("a", takes=60, kind="setup", timeout=Duration(25), retry=retry)), tmp_path)
    assert [event["t"] for event in ran.of("attempt.finished")] == pytest.approx([10, 20, 25], abs=0.01)


def test_finally_has_its_own_time_when_the_body_used_all(tmp_path: Path) -> None:
    body = plan(act("a", takes=99), last=(act("z", takes=20),), timeout=Duration(5), finally_timeout=Duration(30))
    ran = execute(body, tmp_path)
    assert ran.record("z")["outcome"] == "passed"
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(25)


def test_a_hanging_finally_cannot_delay_the_safe_state(tmp_path: Path) -> None:
    body = plan(act("a"), last=(act("z", takes=999),), finally_timeout=Duration(30), devices=["dut"])
    ran = execute(body, tmp_path)
    (safe,) = ran.of("safe_state.finished")
    assert (ran.outcome, safe["ok"]) == ("failed", True)
    assert safe["t"] == pytest.approx(30, abs=0.1)


def test_work_that_ignores_its_limit_is_left_behind_and_told(tmp_path: Path) -> None:
    ran = execute(plan(act("a", takes=60, timeout=Duration(10), stubborn=True), last=(act("z"),)), tmp_path)
    assert ran.record("a")["outcome"] == "failed"
    assert ran.of("overrun")[0]["path"] == "a"
    assert ran.record("z")["started"] == pytest.approx(15)


def test_waiting_for_a_lease_does_not_use_the_timeout(tmp_path: Path) -> None:
    ran = execute(plan(act("a", takes=3), timeout=Duration(5), devices=["dut"]), tmp_path, lab=VirtualLab(wait=3600))
    assert ran.outcome == "passed"


def test_a_queue_that_is_too_long_is_the_labs_fault_and_calls_no_device(tmp_path: Path) -> None:
    lab = VirtualLab(wait=100)
    body = plan(act("a"), last=(act("z"),), queue_timeout=Duration(10), devices=["dut"])
    ran = execute(body, tmp_path, lab=lab)
    assert (ran.outcome, ran.finished.result.blame) == ("errored", "infra")
    assert not lab.power
    assert ran.outcomes() == {"a": "skipped", "z": "skipped"}


def test_idle_work_is_ended(tmp_path: Path) -> None:
    ran = execute(plan(act("a", takes=60, idle_timeout=Duration(7))), tmp_path)
    assert (ran.record("a")["cause"], ran.record("a")["ended"]) == ("idle", pytest.approx(7))


def test_the_first_cancel_ends_the_step_and_runs_finally_and_the_safe_state(tmp_path: Path) -> None:
    body = plan(act("a", takes=60, turn="on", device="dut"), act("b"), last=(act("z", takes=1),), devices=["dut"])
    ran = execute(body, tmp_path, cancel=[(5, "SIGINT")])
    assert (ran.outcome, ran.finished.exit) == ("canceled", 4)
    assert ran.outcomes() == {"a": "canceled", "b": "skipped", "z": "passed"}
    assert not ran.lab.power["dut"].is_on and ran.lab.open == 0


def test_the_second_cancel_ends_finally_but_not_the_safe_state(tmp_path: Path) -> None:
    body = plan(act("a", takes=60, turn="on", device="dut"), last=(act("z", takes=60),), devices=["dut"])
    ran = execute(body, tmp_path, cancel=[(5, "SIGINT"), (8, "SIGINT")])
    assert ran.outcomes() == {"a": "canceled", "z": "canceled"}
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(8)
    assert not ran.lab.power["dut"].is_on and ran.lab.open == 0


def test_what_is_not_interruptible_holds_the_cancel_up_and_says_so(tmp_path: Path) -> None:
    ran = execute(plan(act("a", takes=60, interruptible=False), act("b")), tmp_path, cancel=[(5, "SIGINT")])
    assert ran.outcomes() == {"a": "passed", "b": "skipped"}
    assert ran.outcome == "canceled"
    assert ran.of("cancel.delayed")[0]["t"] == pytest.approx(5)


def test_cancel_during_a_pause_between_attempts_makes_no_further_attempt(tmp_path: Path) -> None:
    from flowrunner.pipeline.plan import Backoff

    retry = Retry(attempts=5, on=("infra",), backoff=Backoff(initial=Duration(100)))
    ran = execute(plan(act("a", then="infra", retry=retry)), tmp_path, cancel=[(5, "SIGTERM")])
    assert ran.record("a")["attempts"] == 1
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(5)


def test_cancel_while_waiting_for_a_lease_ends_the_wait(tmp_path: Path) -> None:
    ran = execute(plan(act("a"), devices=["dut"]), tmp_path, lab=VirtualLab(wait=100), cancel=[(5, "SIGHUP")])
    assert (ran.outcome, ran.outcomes()) == ("canceled", {"a": "skipped"})


def test_a_lost_device_ends_its_steps_at_once_and_others_still_run(tmp_path: Path) -> None:
    body = plan(
        act("a", takes=60, device="dut", interruptible=False), last=(act("y", device="dut"), act("z")), devices=["dut"]
    )
    ran = execute(body, tmp_path, lab=VirtualLab(lose=5))
    assert ran.record("a")["blame"] == "lost"
    assert ran.record("a")["ended"] == pytest.approx(5)
    assert (ran.record("y")["blame"], ran.record("z")["outcome"]) == ("lost", "passed")
    assert (ran.outcome, ran.finished.exit) == ("errored", 3)


def test_waiting_inside_a_scope_does_not_outlast_that_scope(tmp_path: Path) -> None:
    request = DeviceRequest(role="dut", selector="", where=HERE)
    inner = group("lease", [act("lease.a")], devices=(request,))
    ran = execute(plan(inner, timeout=Duration(10)), tmp_path, lab=VirtualLab(wait=100))
    assert (ran.outcome, ran.finished.result.blame) == ("errored", "infra")
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(10)
