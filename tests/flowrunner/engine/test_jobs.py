"""Jobs: their order, their matrices, their turns, and what becomes of the run."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.engine.result import EXIT
from flowrunner.expressions import parse
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import Job, Matrix, Plan, Retry
from tests.support.engine_kit import HERE, Ran, VirtualLab, act, execute, job, jobs

ENDS = {"pass": "passed", "fail": "failed", "device": "errored"}
RANK = ["failed", "errored", "canceled", "passed", "skipped"]


def times(ran: Ran) -> dict[str, tuple[float, float]]:
    """When each node that ran started and ended, in seconds."""
    return {e["path"]: (e["started"], e["ended"]) for e in ran.of("step.finished") if e["started"] is not None}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Plan, dict[str, str]]:
    """A DAG of jobs, and how each would end if it ran."""
    ends: dict[str, str] = {}
    found: list[Job] = []
    for number in range(draw(st.integers(1, 7))):
        name = f"j{number}"
        then = draw(st.sampled_from(["pass", "pass", "fail", "device"]))
        needs = draw(st.lists(st.sampled_from(sorted(ends)), unique=True)) if ends else []
        asks = draw(st.booleans()) and needs
        text = f"${{{{ needs.{needs[0]}.outcome != 'canceled' }}}}" if asks else None
        step = act(f"{name}.s", takes=draw(st.sampled_from([0, 1, 5])), then=then)
        found.append(job(name, step, needs=tuple(needs), condition=parse(text, HERE) if text else None))
        ends[name] = ENDS[then]
    shuffled = draw(st.permutations(found))
    return jobs(*shuffled), ends


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_jobs_keep_the_order_of_their_needs_and_decide_about_the_run(graph: tuple[Plan, dict[str, str]]) -> None:
    wanted, ends = graph
    with tempfile.TemporaryDirectory() as folder:
        ran = execute(wanted, Path(folder))
    records = Counter(event["path"] for event in ran.of("step.finished"))
    assert records == Counter(node.path for node in wanted.walk()), "each node has exactly one final record"
    expected: dict[str, str] = {}
    for each in sorted(wanted.scope.jobs, key=lambda one: str(one.id)):
        good = all(expected[need] == "passed" for need in each.needs)
        expected[each.path] = ends[each.path] if good or each.condition else "skipped"
    assert {path: outcome for path, outcome in ran.outcomes().items() if "." not in path} == expected
    spans = times(ran)
    order = [(e["event"], e["path"]) for e in ran.events if e["event"] in ("step.started", "step.finished")]
    for each in wanted.scope.jobs:
        for need in each.needs if each.path in spans else ():
            assert order.index(("step.finished", need)) < order.index(("step.started", each.path))
    worst = min(expected.values(), key=RANK.index)
    assert (ran.outcome, ran.finished.exit) == (worst, EXIT[Outcome(worst)])


def test_jobs_run_beside_each_other(tmp_path: Path) -> None:
    ran = execute(jobs(*(job(name, act(f"{name}.s", takes=10)) for name in "abc")), tmp_path)
    assert ran.of("run.finished")[0]["seconds"] < 11


def test_a_job_sees_outcomes_and_outputs_of_those_that_it_needs(tmp_path: Path) -> None:
    first = job("first", act("first.s", value=7), outputs={"n": parse("${{ steps.s.outputs.value }}", HERE)})
    bad = job("bad", act("bad.s", then="fail"), outputs={"n": 1})
    text = "${{ needs.first.outputs.n }} ${{ needs.bad.outcome }}"
    last = job(
        "last", act("last.s", value=parse(text, HERE)), needs=("first", "bad"),
        condition=parse("${{ needs.bad.outcome == 'failed' }}", HERE),
    )  # fmt: skip
    ran = execute(jobs(first, bad, last), tmp_path)
    assert ran.record("last.s")["outputs"]["value"] == "7 failed"


def test_steps_of_a_job_are_no_names_of_another(tmp_path: Path) -> None:
    second = job("b", act("b.t", value=parse("${{ steps.s.outcome }}", HERE)), needs=("a",))
    ran = execute(jobs(job("a", act("a.s")), second), tmp_path)
    assert ran.record("b.t")["outcome"] == "errored"


def matrix(count: int, **how: Any) -> Matrix:
    return Matrix(instances=tuple({"n": number} for number in range(count)), **how)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 3, 7]), min_size=1, max_size=6), st.one_of(st.none(), st.integers(1, 4)))
def test_results_of_a_matrix_keep_the_order_of_their_declaration(takes: list[int], most: int | None) -> None:
    values = tuple({"n": number, "takes": seconds} for number, seconds in enumerate(takes))
    step = act("m.s", takes=parse("${{ matrix.takes }}", HERE), value=parse("${{ matrix.n }}", HERE))
    many = job(
        "m", step, matrix=Matrix(instances=values, max_parallel=most),
        outputs={"n": parse("${{ steps.s.outputs.value }}", HERE)},
    )  # fmt: skip
    after = job("after", act("after.s", value=parse("${{ needs.m.outputs.n }}", HERE)), needs=("m",))
    with tempfile.TemporaryDirectory() as folder:
        ran = execute(jobs(many, after), Path(folder))
    assert ran.outcome == "passed"
    assert ran.record("m")["outputs"]["n"] == ran.record("after.s")["outputs"]["value"] == list(range(len(takes)))
    spans = [span for path, span in times(ran).items() if path.startswith("m[") and path.endswith("]")]
    assert len(spans) == len(takes)
    for at, _ in spans:
        assert sum(started <= at < ended for started, ended in spans) <= (most or len(takes))


def test_the_first_instance_that_fails_ends_the_others(tmp_path: Path) -> None:
    step = act("m.s", takes=parse("${{ [1, 9, 9, 9][matrix.n] }}", HERE), then="fail")
    ran = execute(jobs(job("m", step, matrix=matrix(4, max_parallel=3))), tmp_path)
    assert [ran.record(f"m[{n}]")["outcome"] for n in range(4)] == ["failed", "canceled", "canceled", "skipped"]
    assert (ran.outcome, ran.finished.result.path) == ("failed", "m[0].s")
    assert ran.record("m[3]")["because"] == "m[0].s"
    assert ran.of("run.finished")[0]["seconds"] < 2


def test_without_fail_fast_all_instances_end_by_themselves(tmp_path: Path) -> None:
    step = act("m.s", takes=1, value=1, then=parse("${{ 'fail' if matrix.n == 1 else 'pass' }}", HERE))
    many = job("m", step, matrix=matrix(3, fail_fast=False), outputs={"v": parse("${{ steps.s.outputs.value }}", HERE)})
    ran = execute(jobs(many), tmp_path)
    assert [ran.record(f"m[{n}]")["outcome"] for n in range(3)] == ["passed", "failed", "passed"]
    assert (ran.record("m")["outcome"], ran.record("m")["outputs"]) == ("failed", {"v": [1, None, 1]})


def test_each_instance_has_a_device_of_its_own_and_leaves_it_safe(tmp_path: Path) -> None:
    lab = VirtualLab(wait=1)
    many = job("m", act("m.s", device="dut", turn="on"), devices=["dut"], matrix=matrix(3))
    ran = execute(jobs(many), tmp_path, lab=lab)
    assert ran.outcome == "passed"
    assert sorted(event["job"] for event in ran.of("lease.released")) == ["m[0]", "m[1]", "m[2]"]
    assert sorted(event["job"] for event in ran.of("safe_state.finished")) == ["m[0]", "m[1]", "m[2]"]
    assert lab.open == 0


def test_a_cancel_ends_all_jobs_and_starts_no_other(tmp_path: Path) -> None:
    first, second = (job(name, act(f"{name}.s", takes=60)) for name in "ab")
    third = job("c", act("c.s"), needs=("a",), condition=parse("${{ needs.a.outcome != 'passed' }}", HERE))
    ran = execute(jobs(first, second, third, last=(act("finally.f"),)), tmp_path, cancel=[(5, "SIGINT")])
    assert ran.outcomes() == {
        "a": "canceled", "a.s": "canceled", "b": "canceled", "b.s": "canceled", "c": "skipped", "c.s": "skipped",
        "finally.f": "passed",
    }  # fmt: skip
    assert ran.finished.exit == 4


def test_a_job_that_is_only_a_warning_does_not_count(tmp_path: Path) -> None:
    ran = execute(jobs(job("a", act("a.s", then="fail"), severity="warning"), job("b", act("b.s"))), tmp_path)
    assert (ran.outcome, ran.record("a")["outcome"], ran.record("a")["warning"]) == ("passed", "failed", True)


def test_a_job_is_tried_again_with_a_new_lease(tmp_path: Path) -> None:
    step = act("a.s", then="infra", until=2, tally="job", device="dut")
    ran = execute(jobs(job("a", step, devices=["dut"], retry=Retry(attempts=3, on=("infra",)))), tmp_path)
    assert (ran.outcome, ran.record("a")["attempts"], len(ran.of("lease.acquired"))) == ("passed", 2, 2)
    assert [e["path"] for e in ran.of("step.finished") if e["path"].endswith(".s")] == ["a#1.s", "a#2.s"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from([1, 2, 5])), min_size=1, max_size=7))
def test_of_a_group_one_runs_at_a_time_in_the_order_in_which_they_came(found: list[tuple[str, int]]) -> None:
    made = [job(f"j{n}", act(f"j{n}.s", takes=takes), group=group) for n, (group, takes) in enumerate(found)]
    with tempfile.TemporaryDirectory() as folder:
        ran = execute(jobs(*made), Path(folder))
    assert ran.outcome == "passed"
    spans = times(ran)
    for group in "xy":
        mine = [spans[f"j{n}"] for n, (name, _) in enumerate(found) if name == group]
        assert all(before[1] <= after[0] for before, after in pairwise(mine))
    assert ran.of("run.finished")[0]["seconds"] <= max(sum(t for g, t in found if g == group) for group in "xy") + 0.5


def test_a_cancel_reaches_who_waits_for_a_turn(tmp_path: Path) -> None:
    made = [job(name, act(f"{name}.s", takes=60), group="x") for name in "ab"]
    ran = execute(jobs(*made), tmp_path, cancel=[(5, "SIGINT")])
    assert (ran.record("a")["outcome"], ran.record("b")["outcome"]) == ("canceled", "skipped")
    assert ran.of("run.finished")[0]["seconds"] < 6


def test_jobs_end_with_the_time_of_the_pipeline(tmp_path: Path) -> None:
    made = [job("a", act("a.s", takes=60)), job("b", act("b.s"), needs=("a",)), job("c", act("c.s", takes=2))]
    ran = execute(jobs(*made, timeout=Duration(5)), tmp_path)
    assert {path: ran.record(path)["outcome"] for path in "abc"} == {"a": "failed", "b": "skipped", "c": "passed"}
