"""Random pipelines, random faults, random moments to cancel: what must hold for all of them."""

import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.engine.lines import read
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Backoff, Block, Node, Plan, Retry
from tests.support.engine_kit import Ran, VirtualLab, act, execute, group, plan

GRACE = 5.0

faults = st.sampled_from(["pass"] * 6 + ["fail", "device", "infra", "raise", "exit", "stop"])
durations = st.sampled_from([None, None, Duration(3), Duration(10)])
retries = st.one_of(
    st.none(),
    st.builds(
        Retry,
        attempts=st.integers(1, 3),
        on=st.sampled_from([("infra",), ("device", "timeout"), ("failed",)]),
        backoff=st.builds(Backoff, initial=st.sampled_from([Duration(0), Duration(2)])),
    ),
)
common = st.fixed_dictionaries(
    {
        "timeout": durations,
        "retry": retries,
        "on_failure": st.sampled_from(["stop", "stop", "continue"]),
        "severity": st.sampled_from(["error", "error", "warning"]),
        "foreach": st.sampled_from([None, None, None, [1, 2]]),
    }
)
leaf = st.fixed_dictionaries(
    {
        "takes": st.sampled_from([0, 0, 1, 5, 30]),
        "then": faults,
        "stubborn": st.sampled_from([False] * 9 + [True]),
        "turn": st.sampled_from([None, "on", "off"]),
        "kind": st.sampled_from(["test", "setup"]),
        "interruptible": st.sampled_from([True, True, False]),
    }
)


@st.composite
def pipelines(draw: st.DrawFn) -> Plan:
    numbers = count()

    def nodes(prefix: str, depth: int) -> tuple[Node, ...]:
        return tuple(node(prefix, depth) for _ in range(draw(st.integers(0 if depth else 1, 3))))

    def node(prefix: str, depth: int) -> Node:
        path = f"{prefix}{'.' if prefix else ''}n{next(numbers)}"
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            parts = {"rescue": nodes(path, 2), "last": nodes(path, 2)}
            return group(path, nodes(path, depth + 1), **parts, **draw(common))
        fields: dict[str, Any] = {**draw(leaf), **draw(common)}
        return act(path, device="dut", **fields)

    return plan(
        *nodes("", 0), rescue=nodes("", 2), last=nodes("", 2), devices=["dut"], timeout=draw(durations),
        finally_timeout=Duration(40),
    )  # fmt: skip


cancels = st.lists(st.tuples(st.floats(0, 60), st.just("SIGINT")), max_size=2).map(sorted)
losses = st.sampled_from([None, None, None, 0.5, 7.0])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(pipelines(), cancels, losses)
def test_every_run_keeps_the_promises(wanted: Plan, cancel: list[tuple[float, str]], lose: float | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ran = execute(wanted, Path(folder), lab=VirtualLab(lose=lose), cancel=cancel)
        each_step_has_one_final_record(wanted, ran)
        starts_lie_inside_their_blocks(ran)
        nothing_is_left_behind(ran, lose)
        the_outcome_is_the_first_cause(ran)
        nothing_new_starts_after_a_cancel(wanted, ran)
        any_prefix_is_a_journal(ran)


def each_step_has_one_final_record(wanted: Plan, ran: Ran) -> None:
    records = Counter(event["path"] for event in ran.of("step.finished"))
    assert not [path for path, n in records.items() if n > 1]
    repeated = [n.path for n in wanted.walk() if n.foreach or (n.retry and isinstance(n, Block))]
    for node in wanted.walk():
        if not any(node.path.startswith(f"{path}.") for path in repeated):
            assert node.path in records, node.path
    started = {event["path"] for event in ran.of("step.started")}
    assert started <= set(records)
    assert len(ran.of("run.finished")) == 1


def starts_lie_inside_their_blocks(ran: Ran) -> None:
    spans = {e["path"]: (e["started"], e["ended"]) for e in ran.of("step.finished") if e["started"] is not None}
    for path, (started, ended) in spans.items():
        parent = path.rpartition(".")[0]
        assert started <= ended
        if parent in spans:
            assert spans[parent][0] <= started
            assert ended <= spans[parent][1]


def nothing_is_left_behind(ran: Ran, lose: float | None) -> None:
    assert ran.lab.open == 0
    assert not ran.lab.power["dut"].is_on
    assert [event["ok"] for event in ran.of("safe_state.finished")] == [True]
    assert len(ran.of("lease.released")) == 1
    assert not (ran.finished.folder / "work").exists()


def the_outcome_is_the_first_cause(ran: Ran) -> None:
    bad = [e for e in ran.of("step.finished") if e["outcome"] in ("failed", "errored", "canceled") and not e["warning"]]
    assert ran.outcome != "skipped"
    if ran.outcome == "passed":
        assert ran.finished.exit == 0
    else:
        assert ran.finished.exit in (1, 3, 4)
        assert bad or ran.of("cancel.requested") or ran.of("lease.lost") or ran.of("step.finished")
    if not bad and not ran.of("cancel.requested") and not ran.of("lease.lost"):
        assert ran.outcome == "passed" or any(e["cause"] == "timeout" for e in ran.of("step.finished"))


def nothing_new_starts_after_a_cancel(wanted: Plan, ran: Ran) -> None:
    asked = ran.of("cancel.requested")
    if not asked:
        return
    finals = set(_cleanup_paths(wanted))
    late = [
        e["path"] for e in ran.of("step.started")
        if e["n"] > asked[0]["n"] and not any(_is_in(e["path"], final) for final in finals)
    ]  # fmt: skip
    assert not late


def _cleanup_paths(wanted: Plan) -> list[str]:
    scopes = [wanted.scope, *(node.scope for node in wanted.walk() if isinstance(node, Block))]
    return [node.path for scope in scopes for node in (*scope.last, *scope.rescue)]


def _is_in(path: str, plan_path: str) -> bool:
    plain = "".join(part.partition("#")[0].partition("[")[0] + "." for part in path.split("."))
    return plain.startswith(f"{plan_path}.")


def any_prefix_is_a_journal(ran: Ran) -> None:
    path = ran.finished.folder / "journal.jsonl"
    data = path.read_bytes()
    for cut in range(0, len(data), max(1, len(data) // 7)):
        path.write_bytes(data[:cut])
        assert read(path) == ran.events[: data[:cut].count(b"\n")]
