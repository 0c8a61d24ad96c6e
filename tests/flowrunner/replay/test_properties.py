"""Random pipelines on a virtual board: a replay is the same run, and a changed pipeline diverges where it was changed."""

from __future__ import annotations

import json
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.replays import record, replay, sorted_lines, timeless

Step = dict[str, object]

few = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
many = settings(few, max_examples=15)

ASKING: list[Step] = [
    {"power": "on"},
    {"power": {"action": "cycle", "off_for": "5ms"}},
    {"power": {"action": "read", "count": 2, "interval": "3ms"}},
    {"send": "hello"},
    {"send": {"text": "slow", "delay": "2ms"}},
    {"run": "echo $((6 * 7)); echo oops >&2"},
]
OTHERS: list[Step] = [
    {"expect": {"prompt": "login: ", "within": "300ms"}, "on_failure": "continue"},
    {"expect": {"pattern": "Linux version (?P<v>.+)", "within": "50ms"}, "severity": "warning"},
    {"wait": "7ms"},
    {"log": "ran ${{ run.id | length }}"},
]


@st.composite
def bodies(draw: st.DrawFn, *, plain: bool = False) -> list[Step]:
    """Steps with ids, some of them inside of groups, loops and branches."""
    numbers = count()

    def steps(depth: int) -> list[Step]:
        return [step(depth) for _ in range(draw(st.integers(1, 3)))]

    def step(depth: int) -> Step:
        name: Step = {"id": f"s{next(numbers)}"}
        kind = "leaf" if plain or depth > 1 else draw(st.sampled_from(["leaf"] * 4 + ["group", "foreach", "branches"]))
        if kind == "leaf":
            return {**name, **draw(st.sampled_from(ASKING + OTHERS))}
        if kind == "branches":
            beside = [{"wait": "4ms"}, {"run": "echo beside"}, {"log": "beside"}]
            return {**name, "parallel": {"branches": {"one": steps(depth + 1), "two": beside}}}
        more: Step = {"foreach": [1, 2]} if kind == "foreach" else {}
        again = {"retry": {"attempts": 2, "on": ["failed"], "backoff": {"initial": "2ms", "jitter": 1.0}}}
        return {**name, **more, "group": steps(depth + 1), **(again if not more and draw(st.booleans()) else {})}

    return [{"id": "begin", "power": "on"}, *steps(0), *steps(0), *steps(0)]


def text(steps: list[Step]) -> str:
    """A pipeline; JSON is YAML, too."""
    return f"steps: {json.dumps(steps)}\nfinally: [{{power: 'off'}}]\n"


@few
@given(bodies())
def test_a_replay_writes_the_journal_of_the_run(steps: list[Step]) -> None:
    same_journal(steps)


@pytest.mark.machine
@many
@given(bodies())
def test_many_replays_write_the_journals_of_their_runs(steps: list[Step]) -> None:
    same_journal(steps)


@few
@given(bodies(plain=True), st.data())
def test_a_changed_step_is_where_a_replay_diverges(steps: list[Step], data: st.DataObject) -> None:
    diverges(steps, data)


@pytest.mark.machine
@many
@given(bodies(plain=True), st.data())
def test_many_changed_steps_are_where_replays_diverge(steps: list[Step], data: st.DataObject) -> None:
    diverges(steps, data)


def same_journal(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as name:
        recorded = record(Path(name), text(steps))
        played = replay(Path(name), recorded.folder)
        assert played.divergence is None
        beside = any("parallel" in str(step) for step in steps)
        same = sorted_lines if beside else timeless
        assert same(played.finished.folder) == same(recorded.folder)


def diverges(steps: list[Step], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        recorded = record(Path(name), text(steps))
        asking = [n for n, step in enumerate(steps) if {"power", "send", "run"} & step.keys()]
        changed = data.draw(st.sampled_from(asking))
        how = data.draw(st.sampled_from(["other", "gone"]))
        if how == "other":
            others: list[Step] = [
                {"send": "something else"},
                {"power": {"action": "read", "count": 3}},
                {"run": "echo other"},
            ]
            other = data.draw(st.sampled_from(others))
            mutated = [*steps[:changed], {"id": steps[changed]["id"], **other}, *steps[changed + 1 :]]
        else:
            mutated = [*steps[:changed], *steps[changed + 1 :]]
        played = replay(Path(name), recorded.folder, text(mutated))
        if how == "gone" and (same_follows(steps, changed) or played.astray):
            return  # the same thing behind it is asked instead, or an expectation is not met without it
        assert played.divergence is not None
        assert played.unanswered
        assert played.divergence.then_path == steps[changed]["id"]
        if how == "other":
            assert played.divergence.path == steps[changed]["id"]


def same_follows(steps: list[Step], changed: int) -> bool:
    """Whether what is asked first after a step is what the step asks first."""
    following = next((s for s in steps[changed + 1 :] if {"power", "send", "run"} & s.keys()), None)
    following = following or {"power": "off"}
    return first_asked(following) == first_asked(steps[changed])


def first_asked(step: Step) -> object:
    power = step.get("power")
    if isinstance(power, dict):
        return "off" if power["action"] == "cycle" else power["action"]
    return power or step.get("send") or step.get("run")
