"""A step for several devices becomes steps for one each."""

import pytest

from flowrunner.pipeline.plan import Block, StepNode
from tests.support.compiler import Bench

HEAD = "flow: 1\ndevices: {a: board=x, b: board=y}\nsteps:\n"


def block(bench: Bench, text: str, path: str) -> Block:
    node = bench.nodes(HEAD + text)[path]
    assert isinstance(node, Block)
    return node


def test_one_after_the_other_is_a_group_with_the_limits_on_each(bench: Bench) -> None:
    text = (
        "  - power: off\n    on: [b, a.fan]\n    timeout: 5s\n    tags: [x]\n    on_failure: continue\n    kind: test\n"
    )
    found = block(bench, text, "power1")
    assert (found.action, found.name, found.timeout, found.tags) == ("group", "power off on b, a.fan", None, ("x",))
    steps = [step for step in found.scope.steps if isinstance(step, StepNode)]
    assert [(step.path, step.name, step.device) for step in steps] == [
        ("power1.b", "power off on b", "b"), ("power1.a_fan", "power off on a.fan", "a.fan"),
    ]  # fmt: skip
    assert {(step.timeout, step.on_failure, step.kind, step.tags) for step in steps} == {(5, "continue", "test", ())}


def test_at_once_is_branches_that_all_come_to_their_end(bench: Bench) -> None:
    found = block(bench, "  - {id: up, name: Up, power: on, on: {together: [a, b]}}\n", "up")
    assert (found.action, found.name, found.scope.fail_fast) == ("parallel", "Up", False)
    assert [branch.name for branch in found.scope.branches] == ["a", "b"]
    assert bench.step(HEAD + "  - {id: up, power: on, on: {together: [a, b]}}\n", "up.a.power1").device == "a"


def test_what_each_needs_is_asked_of_its_device(bench: Bench) -> None:
    plan = bench.compile(HEAD + "  - {power: on, on: [a.fan, b]}\n").plan
    assert [[(part, wanted[0].name) for part, wanted, _ in one.needs] for one in plan.requests()] == [
        [("fan", "power")], [("", "power")],
    ]  # fmt: skip


def test_outputs_are_known_by_device(bench: Bench) -> None:
    step = "  - {id: idle, power: {action: read}, on: [a, b.fan]}\n"
    bench.compile(HEAD + step + "  - log: ${{ steps.idle.outputs.at.a }} ${{ steps.idle.outputs.at['b.fan'] }}\n")
    assert bench.errors(HEAD + step + "  - log: ${{ steps.idle.outputs.att.a }}\n") == [
        "5:33 unknown-output: 'idle' has no output 'att' | did you mean 'at'?"
    ]
    repeated = step.replace(", on:", ", foreach: [1, 2], on:")
    bench.compile(HEAD + repeated + "  - log: ${{ steps.idle.outputs.at[1].a }} ${{ run.id }}\n")


def test_defaults_hold_for_each(bench: Bench) -> None:
    text = HEAD.replace("steps:", "defaults: {timeout: 7s, on_failure: continue, device: a}\nsteps:")
    nodes = bench.nodes(text + "  - {power: on, on: [a, b]}\n")
    assert [(node.timeout, node.on_failure) for node in nodes.values()] == [(None, "continue"), *[(7, "continue")] * 2]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{power: on, on: [a, a]}", "'a' is named twice | name it once"),
        (
            "{power: on, on: {together: [a.x, a.y]}}",
            "two parts of 'a' cannot be used at once | list them right behind on: it is one after the other then",
        ),
        ("{power: on, on: []}", "on must not be empty"),
        ("{power: on, on: null}", "on needs a list of devices | write it as on: [dut, ap]"),
        ("{power: on, on: a}", "on needs a list of devices, got the text 'a' | write it as on: [a]"),
        ("{power: on, on: [a, c]}", "there is no device 'c' | known: a, b"),
        ("{power: on, on: [a], device: b}", "a step has device or on, not both | leave one of them out"),
        ("{log: x, on: [a, b]}", "'log' works on no device | leave out on"),
        ("{group: [{log: x}], on: [a, b]}", "a group has no key 'on' | give it to the steps inside"),
        ("{power: onn, on: [a, b]}", "power is one of on, off, cycle, read; got the text 'onn' | did you mean 'on'?"),
    ],
)
def test_what_makes_no_sense_is_said_once(bench: Bench, step: str, message: str) -> None:
    (found,) = bench.errors(f"{HEAD}  - {step}\n")
    assert found.partition(": ")[2] == message


def test_a_branch_that_uses_one_of_them_is_a_race(bench: Bench) -> None:
    text = "  - parallel:\n      branches:\n        x: [{power: on, on: [a, b]}]\n        y: [{power: on, device: b}]\n"
    (found,) = bench.errors(HEAD + text)
    assert "race: 'b' is used here while the branch 'x' uses it" in found
