"""Roles with a count are several roles."""

import pytest

from flowrunner.pipeline.plan import Block, StepNode
from tests.support.compiler import Bench

HEAD = "flow: 1\ndevices:\n  node: {selector: board=x, count: 3, requires: [power]}\n  ap: board=y\nsteps:\n"


def test_each_member_is_requested_like_any_role(bench: Bench) -> None:
    plan = bench.compile(HEAD + "  - {power: on, device: node2}\n  - {power: on, device: ap}\n").plan
    found = {one.role: (one.selector, one.requires, [part for part, _, _ in one.needs]) for one in plan.requests()}
    node = ("board=x", ("power",))
    assert found == {"node1": (*node, []), "node2": (*node, [""]), "node3": (*node, []), "ap": ("board=y", (), [""])}
    assert [len(together) for together in plan.together()] == [4]


@pytest.mark.parametrize(
    ("on", "devices"),
    [
        ("node", ["node1", "node2", "node3"]),
        ("[node]", ["node1", "node2", "node3"]),
        ("[ap, node.fan]", ["ap", "node1.fan", "node2.fan", "node3.fan"]),
        ("[node3, ap]", ["node3", "ap"]),
    ],
)
def test_on_does_it_for_all_members(bench: Bench, on: str, devices: list[str]) -> None:
    found = bench.nodes(f"{HEAD}  - {{id: up, power: on, on: {on}}}\n")["up"]
    assert isinstance(found, Block)
    assert [step.device for step in found.scope.steps if isinstance(step, StepNode)] == devices


def test_at_once_too(bench: Bench) -> None:
    found = bench.nodes(f"{HEAD}  - {{id: up, power: on, on: {{together: [node]}}}}\n")["up"]
    assert isinstance(found, Block)
    assert [branch.name for branch in found.scope.branches] == ["node1", "node2", "node3"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("  - {power: on, device: node}\n", "6:25 ambiguous-device: 'node' is 3 devices | name one of them: node1, node2,"
         " node3; or do it with all of them: on: node"),
        ("  - {power: on, device: node4}\n", "6:25 unknown-device: there is no device 'node4' | did you mean 'node3' or"
         " 'node2'?"),
        ("  - {power: on, on: [node, node2]}\n", "6:28 bad-value: 'node2' is named twice | name it once"),
        ("  - {power: on, on: ap}\n", "6:21 wrong-type: on needs a list of devices, got the text 'ap' | write it as on:"
         " [ap]"),
        ("  - lease: {devices: {node1: board=z}, steps: [{power: on, device: ap}]}\n", "6:23 duplicate-role: the role"
         " 'node1' is leased already | it is declared at 3:3; give this one another name"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(bench: Bench, text: str, error: str) -> None:
    assert bench.errors(HEAD + text)[0] == error


@pytest.mark.parametrize("count", ["0", "101", "1.5", "'2'", "true", "${{ 2 }}"])
def test_count_is_a_number_of_devices(bench: Bench, count: str) -> None:
    text = f"flow: 1\ndevices: {{node: {{count: {count}}}}}\nsteps: [{{power: on, device: node}}]\n"
    assert any("count" in error or "expression" in error for error in bench.errors(text))


def test_a_name_that_is_there_already_is_refused(bench: Bench) -> None:
    text = "flow: 1\ndevices: {node: {count: 2}, node2: board=x}\nsteps: [{power: on, on: node}]\n"
    assert "2:29 duplicate-role: the role 'node2' is leased already" in bench.errors(text)[0]


def test_a_rollout_has_no_count(bench: Bench) -> None:
    text = (
        "flow: 1\njobs:\n  update:\n    devices: {gw: {count: 2}}\n    strategy: {rollout: {fleet: {selector: a=b}, waves:"
        " [{name: all, size: 100%}]}}\n    steps: [{power: on, device: gw}]\n"
    )
    assert any(
        "bad-rollout: a rollout takes the devices of its fleet one by one" in error for error in bench.errors(text)
    )
