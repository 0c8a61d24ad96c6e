"""Order, scope and outcome: SEMANTICS D2."""

from pathlib import Path

import pytest

from flowrunner.model import Duration
from flowrunner.pipeline.plan import Backoff, Retry
from tests.support.engine_kit import VirtualLab, act, execute, group, plan


def test_steps_run_in_order_and_the_run_passes(tmp_path: Path) -> None:
    ran = execute(plan(act("a", takes=1), act("b", takes=2)), tmp_path)
    assert (ran.outcome, ran.finished.exit) == ("passed", 0)
    assert [event["path"] for event in ran.of("step.finished")] == ["a", "b"]
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(3)


def test_a_failure_skips_the_rest_and_says_why(tmp_path: Path) -> None:
    ran = execute(plan(act("a"), act("b", then="fail"), act("c"), last=(act("z"),)), tmp_path)
    assert (ran.outcome, ran.finished.exit) == ("failed", 1)
    assert ran.outcomes() == {"a": "passed", "b": "failed", "c": "skipped", "z": "passed"}
    assert (ran.record("c")["cause"], ran.record("c")["because"]) == ("dependency", "b")


@pytest.mark.parametrize(
    ("then", "kind", "outcome", "blame", "exit"),
    [
        ("fail", "test", "failed", None, 1),
        ("fail", "setup", "errored", "infra", 3),
        ("device", "test", "errored", "device", 3),
        ("infra", "test", "errored", "infra", 3),
        ("raise", "test", "errored", "internal", 3),
        ("exit", "test", "errored", "internal", 3),
        ("interrupt", "test", "errored", "internal", 3),
    ],
)
def test_each_way_to_go_wrong_has_its_outcome_and_blame(tmp_path, then, kind, outcome, blame, exit) -> None:  # type: ignore[no-untyped-def]
    ran = execute(plan(act("a", then=then, kind=kind), last=(act("z"),)), tmp_path)
    record = ran.record("a")
    assert (record["outcome"], record["blame"], ran.finished.exit) == (outcome, blame, exit)
    assert ran.record("z")["outcome"] == "passed"


def test_continue_goes_on_and_still_fails(tmp_path: Path) -> None:
    ran = execute(plan(act("a", then="fail", on_failure="continue"), act("b")), tmp_path)
    assert ran.outcome == "failed"
    assert ran.outcomes() == {"a": "failed", "b": "passed"}


def test_a_warning_goes_on_and_does_not_fail(tmp_path: Path) -> None:
    ran = execute(plan(act("a", then="fail", severity="warning"), act("b")), tmp_path)
    assert ran.outcome == "passed"
    assert ran.record("a")["outcome"] == "failed"
    assert ran.record("a")["warning"] is True


def test_a_failed_step_is_not_retried_unless_failed_is_listed(tmp_path: Path) -> None:
    retry = Retry(attempts=3, on=("infra", "device", "timeout"))
    ran = execute(plan(act("a", then="fail", retry=retry)), tmp_path)
    assert (ran.outcome, ran.record("a")["attempts"]) == ("failed", 1)


def test_retries_are_attempts_of_one_result(tmp_path: Path) -> None:
    backoff = Backoff(initial=Duration(5), factor=2, max=Duration(8))
    retry = Retry(attempts=4, on=("infra",), backoff=backoff, between=(act("a.between.x"),))
    ran = execute(plan(act("a", then="infra", until=4, tally=str(tmp_path), retry=retry)), tmp_path)
    assert (ran.outcome, ran.record("a")["attempts"]) == ("passed", 4)
    assert [event["pause"] for event in ran.of("attempt.finished")] == [5, 8, 8, None]
    assert [event["path"] for event in ran.of("step.finished")] == [
        "a#1.between.x", "a#2.between.x", "a#3.between.x", "a",
    ]  # fmt: skip


def test_a_failing_between_ends_the_retries(tmp_path: Path) -> None:
    retry = Retry(attempts=3, on=("infra",), between=(act("a.between.x", then="fail"),))
    ran = execute(plan(act("a", then="infra", retry=retry)), tmp_path)
    assert (ran.outcome, ran.record("a")["attempts"]) == ("errored", 1)


def test_a_retried_group_keeps_the_records_of_each_attempt_apart(tmp_path: Path) -> None:
    retry = Retry(attempts=2, on=("infra",))
    ran = execute(plan(group("boot", [act("boot.spl", then="infra")], retry=retry)), tmp_path)
    assert ran.outcomes() == {"boot#1.spl": "errored", "boot#2.spl": "errored", "boot": "errored"}


def test_rescue_runs_only_after_a_failure_and_never_improves_it(tmp_path: Path) -> None:
    good = execute(plan(act("a"), rescue=(act("r"),)), tmp_path)
    assert good.record("r")["because"] == "the body passed"
    bad = execute(plan(act("a", then="fail"), rescue=(act("r", then="raise"), act("s")), last=(act("z"),)), tmp_path)
    assert bad.outcome == "failed"
    assert bad.outcomes() == {"a": "failed", "r": "errored", "s": "passed", "z": "passed"}


def test_a_failing_finally_fails_a_run_that_had_passed_and_each_of_its_steps_gets_its_turn(tmp_path: Path) -> None:
    ran = execute(plan(act("a"), last=(act("y", then="fail"), act("z"))), tmp_path)
    assert (ran.outcome, ran.finished.result.path) == ("failed", "y")
    assert ran.outcomes()["z"] == "passed"


def test_stop_ends_the_body_here_with_its_outcome(tmp_path: Path) -> None:
    ran = execute(plan(group("g", [act("g.a", then="stop"), act("g.b")]), act("c"), last=(act("z"),)), tmp_path)
    assert ran.outcome == "passed"
    assert ran.outcomes() == {"g.a": "passed", "g.b": "skipped", "g": "passed", "c": "skipped", "z": "passed"}
    assert ran.record("c")["cause"] == "stop"


def test_foreach_repeats_in_order_and_its_outputs_become_lists(tmp_path: Path) -> None:
    ran = execute(plan(act("a", foreach=["x", "y"], value=1)), tmp_path)
    assert ran.outcomes() == {"a[0]": "passed", "a[1]": "passed", "a": "passed"}
    assert ran.record("a")["outputs"]["value"] == [1, 1]


def test_foreach_stops_at_the_first_failure(tmp_path: Path) -> None:
    ran = execute(plan(act("a", foreach=[1, 2, 3], then="fail"), act("b")), tmp_path)
    assert ran.outcomes() == {"a[0]": "failed", "a": "failed", "b": "skipped"}


def test_the_device_is_made_safe_and_released_whatever_happens(tmp_path: Path) -> None:
    ran = execute(plan(act("a", turn="on", device="dut", then="raise"), devices=["dut"]), tmp_path)
    power = ran.lab.power["dut"]
    assert [call for _, call in power.done] == ["on", "off"]
    assert not power.is_on and ran.lab.open == 0
    kinds = [event["event"] for event in ran.events]
    assert kinds.index("step.finished") < kinds.index("safe_state.finished") < kinds.index("lease.released")


def test_a_safe_state_that_fails_is_never_silent(tmp_path: Path) -> None:
    lab = VirtualLab()
    from tests.support.engine_kit import VirtualPower

    lab.power["dut"] = VirtualPower(fail={"off"})
    ran = execute(plan(act("a"), devices=["dut"]), tmp_path, lab=lab)
    assert (ran.outcome, ran.finished.result.blame) == ("errored", "device")
    assert "it may still be powered" in str(ran.finished.result.help)
    assert ran.lab.open == 0
