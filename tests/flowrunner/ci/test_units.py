"""Shards: each job in exactly one, the same on every machine, balanced by what is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.ci.units import Unit, choose, read_shard, shards, units
from flowrunner.errors import PipelineError
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.plan import Plan

JOBS = """
jobs:
  build: {steps: [{log: x}]}
  boot: {needs: build, strategy: {matrix: {n: [1, 2]}}, steps: [{log: x}]}
  alone: {strategy: {matrix: {n: [1, 2, 3]}}, steps: [{log: x}]}
  docs: {steps: [{log: x}]}
"""


def plan(folder: Path, text: str = JOBS) -> Plan:
    (folder / "p.yaml").write_text("flow: 1\n" + text)
    return compile(folder / "p.yaml").plan


def test_jobs_that_need_each_other_stay_together_and_instances_that_nobody_needs_do_not(tmp_path: Path) -> None:
    found = [unit.jobs for unit in units(plan(tmp_path))]
    assert found == [("build", "boot"), ("alone[0]",), ("alone[1]",), ("alone[2]",), ("docs",)]


@pytest.mark.parametrize("key", ["finally: [{log: x}]", "rescue: [{log: x}]", "outputs: {a: b}"])
def test_a_pipeline_with_something_about_all_jobs_stays_whole(tmp_path: Path, key: str) -> None:
    assert [unit.jobs for unit in units(plan(tmp_path, JOBS + key))] == [("build", "boot", "alone", "docs")]


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, min_size=1, max_size=30)


@given(NAMES, st.integers(1, 8), st.data())
def test_each_part_is_in_exactly_one_shard_and_no_shard_is_overloaded(
    names: list[str], count: int, data: st.DataObject
) -> None:
    parts = [Unit((name,)) for name in names]
    known = data.draw(st.dictionaries(st.sampled_from(names), st.floats(0.1, 100)))
    found = shards(parts, count, known)
    assert sorted(part.name for shard in found for part in shard) == sorted(names)
    assert found == shards(parts[::-1], count, dict(reversed(known.items()))), "the order says nothing"
    usual = sum(known.values()) / len(known) if known else 1.0
    cost = {name: known.get(name, usual) for name in names}
    loads = [sum(cost[part.name] for part in shard) for shard in found]
    assert max(loads) <= sum(cost.values()) / count + max(cost.values()) + 1e-6


def test_known_durations_put_the_long_one_alone() -> None:
    parts = [Unit((name,)) for name in ("a", "b", "c", "long")]
    found = shards(parts, 2, {"a": 10, "b": 10, "c": 10, "long": 40})
    assert [[part.name for part in shard] for shard in found] == [["long"], ["a", "b", "c"]]


@pytest.mark.parametrize("text", ["0/2", "3/2", "x", "1/0", "1", "1/2/3", "-1/2"])
def test_says_how_a_shard_is_written(text: str) -> None:
    with pytest.raises(PipelineError, match="write it as 2/5"):
        read_shard(text)


@pytest.mark.parametrize(
    ("name", "says"),
    [("smoke", "there is no job 'smoke'"), ("alone[3]", "has 3 instances"), ("docs[0]", "has no matrix")],
)
def test_says_which_job_there_is_not(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        choose(plan(tmp_path), [name])


def test_a_chosen_job_needs_what_it_needs(tmp_path: Path) -> None:
    found = plan(tmp_path)
    with pytest.raises(PipelineError, match="needs 'build', which is neither chosen nor known"):
        choose(found, ["boot"]).check(found.scope.jobs)
    choose(found, ["boot", "build"]).check(found.scope.jobs)
