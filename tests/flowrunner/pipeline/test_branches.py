"""What the compiler proves of branches, against a search through all that comes before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.errors import PipelineErrors
from flowrunner.pipeline.compiler import compile
from tests.support.compiler import Bench
from tests.support.engine_kit import execute

Branches = Mapping[str, Sequence[str]]
"""For each branch what stands in it: `s3` a step, `m1` a barrier."""


@st.composite
def branches(draw: st.DrawFn) -> Branches:
    names = [f"b{number}" for number in range(draw(st.integers(2, 4)))]
    found: dict[str, list[str]] = {name: [] for name in names}
    count = 0
    for meeting in range(draw(st.integers(0, 4)) + 1):
        for name in names:
            for _ in range(draw(st.integers(0, 2))):
                found[name].append(f"s{count}")
                count += 1
        for name in draw(st.lists(st.sampled_from(names), min_size=2, unique=True)):
            found[name].append(f"m{meeting}")
    return {name: [*things, f"s{count + index}"] for index, (name, things) in enumerate(found.items())}


def before(made: Branches, one: str, other: str) -> bool:
    """Whether the step `one` has always ended when `other` starts: a walk along branches, and across barriers."""
    places = {(name, index): thing for name, things in made.items() for index, thing in enumerate(things)}
    start = next(place for place, thing in places.items() if thing == one)
    seen, left = set(), [start]
    while left:
        name, index = left.pop()
        if (name, index) in seen:
            continue
        seen.add((name, index))
        left += [(name, index + 1)] if (name, index + 1) in places else []
        if places[name, index].startswith("m"):
            left += [place for place, thing in places.items() if thing == places[name, index]]
    return any(places[place] == other for place in seen - {start})


def text(made: Branches, lines: Mapping[str, str]) -> str:
    """The pipeline, with `lines` as actions of the steps that have one of their own."""
    found = ["flow: 1", "devices: {dut: {}, other: {}}", "steps:", "  - parallel:", "      branches:"]
    for name, things in made.items():
        found.append(f"        {name}:")
        for thing in things:
            action = lines.get(thing, "wait: 1s")
            found.append(
                f"          - {{barrier: {thing}}}" if thing[0] == "m" else f"          - {{id: {thing}, {action}}}"
            )
    return "\n".join(found) + "\n"


def codes(source: str) -> list[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(source)
        try:
            compile(path)
        except PipelineErrors as found:
            return [error.code for error in found.errors]
    return []


def of_two_branches(data: st.DataObject, made: Branches) -> tuple[str, str]:
    """A step of one branch, and a step of another."""
    one, other = data.draw(st.permutations(sorted(made)))[:2]
    steps = ([thing for thing in made[name] if thing[0] == "s"] for name in (one, other))
    first, second = (data.draw(st.sampled_from(found)) for found in steps)
    return first, second


@settings(max_examples=150, deadline=None)
@given(branches(), st.data())
def test_a_reference_is_accepted_exactly_when_a_barrier_orders_it(made: Branches, data: st.DataObject) -> None:
    one, other = of_two_branches(data, made)
    found = codes(text(made, {other: f"log: '${{{{ steps.{one}.outcome }}}}'"}))
    assert found == ([] if before(made, one, other) else ["unavailable"])


@settings(max_examples=150, deadline=None)
@given(branches(), st.data())
def test_one_device_in_two_branches_is_accepted_exactly_when_a_barrier_orders_them(
    made: Branches, data: st.DataObject
) -> None:
    one, other = of_two_branches(data, made)
    found = codes(text(made, dict.fromkeys((one, other), "power: on, device: dut")))
    assert found == ([] if before(made, one, other) or before(made, other, one) else ["race"])


@settings(max_examples=60, deadline=None)
@given(branches(), st.data())
def test_what_is_accepted_comes_through_however_long_the_steps_take(made: Branches, data: st.DataObject) -> None:
    lines = {}
    for things in made.values():
        for thing in things:
            seconds = data.draw(st.integers(1, 9))
            lines[thing] = f"wait: {seconds}s"
    one, other = of_two_branches(data, made)
    if before(made, one, other):
        lines[other] = f"log: '${{{{ steps.{one}.outcome }}}}'"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(text(made, lines).replace("devices: {dut: {}, other: {}}\n", ""))
        ran = execute(compile(path).plan, Path(folder))
    assert ran.outcome == "passed", ran.finished.result


def test_branches_may_use_a_device_each(bench: Bench) -> None:
    nodes = bench.nodes(
        "flow: 1\ndevices: {a: {}, b: {}}\nsteps:\n  - id: both\n    parallel:\n      fail_fast: false\n      branches:\n"
        "        left: [{power: on, device: a}, {barrier: up, timeout: 5s}]\n"
        "        right: [{power: on, device: b}, {barrier: up}]\n    timeout: 1m\n    finally: [{power: off, device: a}]\n"
    )
    assert list(nodes) == [
        "both", "both.left", "both.left.power1", "both.left.barrier2", "both.right", "both.right.power1",
        "both.right.barrier2", "both.finally.power1",
    ]  # fmt: skip
