"""Branches and barriers: nobody passes early, nobody waits for who cannot come."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.expressions import parse
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Barrier, Block, Node, Plan, Retry, walk
from tests.support.engine_kit import HERE, Ran, act, barrier, execute, group, parallel, plan


@st.composite
def meetings(draw: st.DrawFn) -> Plan:
    """Branches whose steps take their time and may fail, with barriers that come in one order everywhere."""
    names = [f"b{number}" for number in range(draw(st.integers(1, 4)))]
    barriers = [
        (f"m{number}", draw(st.lists(st.sampled_from(names), min_size=2, unique=True)))
        for number in range(draw(st.integers(0, 3)) if len(names) > 1 else 0)
    ]
    branches: dict[str, list[Node]] = {}
    for name in names:
        nodes: list[Node] = []
        for meeting, participants in [*barriers, ("", [])]:
            for number in range(draw(st.integers(0, 2))):
                then = draw(st.sampled_from(["pass"] * 8 + ["fail", "device"]))
                takes = draw(st.sampled_from([0, 1, 2, 5, 30]))
                nodes.append(act(f"p.{name}.s{len(nodes)}{number}", takes=takes, then=then))
            if name in participants:
                nodes.append(barrier(f"p.{name}.{meeting}", meeting, participants))
        branches[name] = nodes or [act(f"p.{name}.s")]
    fields = {"retry": Retry(attempts=2, on=("failed", "device"))} if draw(st.booleans()) else {}
    return plan(
        parallel("p", branches, fail_fast=draw(st.booleans()), **fields), act("after"), last=(act("finally.f"),)
    )


cancels = st.lists(st.tuples(st.floats(0, 20), st.just("SIGINT")), max_size=1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(meetings(), cancels)
def test_every_meeting_keeps_the_promises(wanted: Plan, cancel: list[tuple[float, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ran = execute(wanted, Path(folder), cancel=cancel)
    records = Counter(event["path"] for event in ran.of("step.finished"))
    assert not [path for path, count in records.items() if count > 1]
    assert ran.record("finally.f")["outcome"] == "passed"
    tries = sorted({path.partition(".")[0] for path in records if path.startswith("p")} - {"p"}) or ["p"]
    for attempt in tries:
        for node in walk(wanted.scope):
            if isinstance(node, Barrier):
                a_barrier_opens_when_all_are_there(ran, attempt, node)


def a_barrier_opens_when_all_are_there(ran: Ran, attempt: str, node: Barrier) -> None:
    started = {event["path"]: event["t"] for event in ran.of("step.started")}
    ended = {event["path"]: event for event in ran.of("step.finished")}
    there = [f"{attempt}.{name}.{node.meeting}" for name in node.participants]
    if not any(ended[path]["outcome"] == "passed" for path in there if path in ended):
        return
    last = max(started[path] for path in there)
    for path in there:
        assert ended[path]["outcome"] in ("passed", "canceled")
        assert ended[path]["outcome"] == "canceled" or last <= ended[path]["t"] <= last + 0.5


def test_who_waits_for_a_branch_that_failed_is_told_at_once(tmp_path: Path) -> None:
    left = [act("p.left.s", takes=5, then="fail"), barrier("p.left.m", "m", ["left", "right"])]
    right = [barrier("p.right.m", "m", ["left", "right"]), act("p.right.t")]
    ran = execute(plan(parallel("p", {"left": left, "right": right}, fail_fast=False)), tmp_path)
    waiter = ran.record("p.right.m")
    assert (waiter["outcome"], waiter["blame"], waiter["ended"]) == ("errored", "peer", ran.record("p.left")["ended"])
    assert "the branch 'left' ended" in waiter["message"]
    assert (ran.outcome, ran.finished.result.path) == ("failed", "p.left.s"), "the first cause is that of the run"
    assert {path: ran.record(path)["outcome"] for path in ("p.left.m", "p.right.t")} == dict.fromkeys(
        ("p.left.m", "p.right.t"), "skipped"
    )


def test_failing_fast_ends_the_others_and_their_finally_runs(tmp_path: Path) -> None:
    slow = group("p.right.g", [act("p.right.g.s", takes=60)], last=(act("p.right.g.finally.f", takes=1),))
    branches: dict[str, list[Node]] = {"left": [act("p.left.s", takes=2, then="fail")], "right": [slow]}
    ran = execute(plan(parallel("p", branches)), tmp_path)
    assert {path: ran.record(path)["outcome"] for path in ("p.right", "p.right.g.s", "p.right.g.finally.f", "p")} == {
        "p.right": "canceled", "p.right.g.s": "canceled", "p.right.g.finally.f": "passed", "p": "failed",
    }  # fmt: skip
    assert ran.of("run.finished")[0]["seconds"] < 5


def test_without_failing_fast_all_branches_end_by_themselves(tmp_path: Path) -> None:
    branches = {"left": [act("p.left.s", then="fail")], "right": [act("p.right.s", takes=9), act("p.right.t")]}
    ran = execute(plan(parallel("p", branches, fail_fast=False), act("after")), tmp_path)
    assert {path: ran.record(path)["outcome"] for path in ("p.right.t", "p", "after")} == {
        "p.right.t": "passed", "p": "failed", "after": "skipped",
    }  # fmt: skip


def test_a_barrier_has_a_limit_like_any_step(tmp_path: Path) -> None:
    both = ["left", "right"]
    left: list[Node] = [barrier("p.left.m", "m", both, timeout=Duration(3))]
    right = [act("p.right.s", takes=60), barrier("p.right.m", "m", both)]
    ran = execute(plan(parallel("p", {"left": left, "right": right})), tmp_path)
    waiter = ran.record("p.left.m")
    assert (waiter["outcome"], waiter["blame"], waiter["cause"]) == ("errored", "peer", "timeout")
    assert ran.record("p.right.s")["outcome"] == "canceled"


def test_a_branch_reads_what_a_barrier_puts_before_it(tmp_path: Path) -> None:
    both = ["left", "right"]
    text = parse("${{ steps.made.outputs.value }}", HERE)
    left = [act("p.left.made", takes=3, value=7), barrier("p.left.m", "m", both)]
    right = [barrier("p.right.m", "m", both), act("p.right.read", value=text)]
    ran = execute(plan(parallel("p", {"left": left, "right": right}), act("after", value=text)), tmp_path)
    assert ran.outcome == "passed"
    assert ran.record("p.right.read")["outputs"]["value"] == ran.record("after")["outputs"]["value"] == 7


def test_barriers_are_new_in_each_iteration(tmp_path: Path) -> None:
    both = ["left", "right"]
    left = [act("p.left.s", takes=1), barrier("p.left.m", "m", both)]
    right = [act("p.right.s", takes=3), barrier("p.right.m", "m", both)]
    block = parallel("p", {"left": left, "right": right}, foreach=[1, 2, 3])
    assert isinstance(block, Block)
    ran = execute(plan(block), tmp_path)
    assert ran.outcome == "passed"
    ends = [ran.record(f"p[{number}].left.m")["ended"] for number in range(3)]
    assert [round(end) for end in ends] == [3, 6, 9]
