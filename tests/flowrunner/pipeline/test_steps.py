"""Steps: their action, parameters, device, kind, paths and names."""

import pytest

from flowrunner.expressions import Expression
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Background, Backoff, Block, StepNode
from tests.support.compiler import Bench

DUT = "flow: 1\ndevices: {dut: {selector: board=virt}}\nsteps:\n"


def test_a_bare_scalar_fills_the_shorthand(bench: Bench) -> None:
    assert bench.step(DUT + "  - power: cycle", "power1").values == {"action": "cycle"}


def test_an_action_without_value_takes_its_defaults(bench: Bench) -> None:
    assert bench.errors("flow: 1\nsteps:\n  - wait:\n") == ["3:5 missing-key: wait needs the key 'duration' | How long"]


def test_each_parameter_has_its_place(bench: Bench) -> None:
    step = bench.step("flow: 1\nsteps:\n  - measure: {name: a, value: 1, limits: {max: 3}}", "measure1")
    assert {path: span.short for path, span in step.places.items()} == {
        (): "3:14", ("name",): "3:21", ("value",): "3:31", ("limits",): "3:42", ("limits", "max"): "3:48",
    }  # fmt: skip


def test_parameters_keep_their_expressions(bench: Bench) -> None:
    step = bench.step("flow: 1\nsteps:\n  - log: run ${{ run.id }}", "log1")
    message = step.values["message"]
    assert isinstance(message, Expression)
    assert message.evaluate({"run": {"id": "r1"}}) == "run r1"


def test_paths_are_ids_or_actions_with_positions(bench: Bench) -> None:
    text = """
        flow: 1
        devices: {dut: {}}
        steps:
          - log: one
          - id: boot
            group:
              - power: on
              - group: [{log: deep}]
            retry: {attempts: 2, on: [infra], between: [{power: off}]}
            rescue: [{log: sorry}]
            finally: [{power: off}]
        rescue: [{log: sorry}]
        finally: [{power: off}]
        """
    assert list(bench.nodes(text)) == [
        "log1", "boot", "boot.power1", "boot.group2", "boot.group2.log1", "boot.rescue.log1", "boot.finally.power1",
        "boot.between.power1", "rescue.log1", "finally.power1",
    ]  # fmt: skip


def test_a_path_gives_way_to_an_id_of_that_name(bench: Bench) -> None:
    assert list(bench.nodes("flow: 1\nsteps:\n  - {id: log2, log: a}\n  - log: b")) == ["log2", "log2_"]


def test_the_name_is_what_was_given_or_the_id_or_a_summary(bench: Bench) -> None:
    text = "flow: 1\nsteps:\n  - {name: Say hello, log: a}\n  - {id: second, log: b}\n  - wait: 10s\n  - log: ${{ run.id }}"
    assert [node.name for node in bench.nodes(text).values()] == ["Say hello", "second", "wait 10s", "log"]


def test_the_kind_is_that_of_the_action_unless_given(bench: Bench) -> None:
    nodes = bench.nodes(DUT + "  - power: on\n  - {power: on, kind: test}\n  - expect: 'login: '")
    assert [node.kind for node in nodes.values() if isinstance(node, StepNode)] == ["setup", "test", "test"]


def test_common_keys_arrive_in_the_node(bench: Bench) -> None:
    step = bench.step(
        DUT + "  - power: on\n    timeout: 5m\n    idle_timeout: 10s\n    on_failure: continue\n    severity: warning\n"
        "    interruptible: false\n    tags: [smoke, slow]\n    foreach: [1, 2]\n    if: ${{ env.CI == 'true' }}\n"
        "    retry: {attempts: 3, on: [infra, timeout], backoff: {initial: 5s, factor: 2, max: 30s, jitter: 0.1},"
        " attempt_timeout: 1m}",
        "power1",
    )
    assert (step.timeout, step.idle_timeout, step.on_failure, step.severity) == (300, 10, "continue", "warning")
    assert (step.interruptible, step.tags, step.foreach) == (False, ("smoke", "slow"), [1, 2])
    assert step.condition
    assert step.condition.text == "${{ env.CI == 'true' }}"
    assert step.retry
    assert (step.retry.attempts, step.retry.on, step.retry.attempt_timeout) == (3, ("infra", "timeout"), 60)
    assert step.retry.backoff == Backoff(initial=Duration(5), factor=2, max=Duration(30), jitter=0.1)


@pytest.mark.parametrize(("written", "value"), [("true", None), ("false", False), ("${{ 1 == 1 }}", True)])
def test_a_condition_may_be_a_plain_boolean(bench: Bench, written: str, value: bool | None) -> None:
    condition = bench.step(f"flow: 1\nsteps:\n  - log: a\n    if: {written}", "log1").condition
    assert (condition.evaluate({}) if condition else None) == value


def test_a_condition_without_delimiters_is_an_error(bench: Bench) -> None:
    found = bench.errors("flow: 1\nsteps:\n  - log: a\n    if: run.id == 'x'")
    assert found == [
        "4:9 wrong-type: if needs true or false, got the text 'run.id == 'x'' | write it as ${{ run.id == 'x' }}"
    ]


def test_a_limit_may_be_an_expression_of_a_duration(bench: Bench) -> None:
    text = (
        "flow: 1\ninputs: {limit: {type: duration, default: 5s}}\nsteps:\n  - log: a\n    timeout: ${{ inputs.limit }}"
    )
    timeout = bench.step(text, "log1").timeout
    assert isinstance(timeout, Expression)
    assert timeout.evaluate({"inputs": {"limit": Duration(5)}}) == 5


def test_the_device_is_implied_by_the_only_role(bench: Bench) -> None:
    assert bench.step(DUT + "  - power: on", "power1").device == "dut"
    assert bench.step(DUT + "  - power: on\n    device: dut.power2", "power1").device == "dut.power2"
    assert bench.step(DUT + "  - log: a", "log1").device is None


def test_what_steps_use_is_asked_of_the_device_once(bench: Bench) -> None:
    plan = bench.compile(DUT + "  - power: on\n  - power: off\n  - {power: on, device: dut.p2}\n  - expect: 'a'").plan
    needs = next(plan.requests()).needs
    assert [(part, [one.name for one in wanted], span.line) for part, wanted, span in needs] == [
        ("", ["power"], 4), ("p2", ["power"], 6), ("", ["console"], 7),
    ]  # fmt: skip


def test_a_step_may_need_a_device_or_not_by_its_parameters(bench: Bench) -> None:
    assert bench.step("flow: 1\nsteps:\n  - snapshot: {name: a, text: b}", "snapshot1").device is None
    assert bench.errors("flow: 1\nsteps:\n  - snapshot: a") == [
        "3:5 no-device: 'snapshot' needs a device, and none is declared"
        " | declare one at the top: devices: {dut: {selector: board=virt}}"
    ]


def test_a_lease_adds_roles_and_keeps_those_around_it(bench: Bench) -> None:
    text = DUT + "  - lease: {devices: {ap: board=ap}, steps: [{power: on, device: ap}, {power: on, device: dut}]}"
    nodes = bench.nodes(text)
    lease = nodes["lease1"]
    assert isinstance(lease, Block)
    assert [(d.role, d.selector) for d in lease.scope.devices] == [("ap", "board=ap")]
    assert [n.device for n in nodes.values() if isinstance(n, StepNode)] == ["ap", "dut"]
    assert bench.errors(text.replace(", device: ap}", "}")) == [
        "4:47 ambiguous-device: 'power' must say which device it works on | add device: dut or ap"
    ]


def test_the_timeout_of_a_block_with_devices_does_not_count_its_queue(bench: Bench) -> None:
    nodes = bench.nodes(
        DUT + "  - {group: [{log: a}], timeout: 5s}\n  - {group: [{log: a}], devices: {ap: {}}, timeout: 5s}"
    )
    plain, leasing = nodes["group1"], nodes["group2"]
    assert isinstance(plain, Block)
    assert isinstance(leasing, Block)
    assert (plain.timeout, plain.scope.timeout) == (5, None)
    assert (leasing.timeout, leasing.scope.timeout) == (None, 5)


def test_a_background_command_has_a_body_and_may_have_to_get_ready(bench: Bench) -> None:
    text = (
        "flow: 1\nsteps:\n  - id: server\n    background: {run: ./serve, ready: {pattern: 'port (\\d+)', within: 5s}}"
    )
    node = bench.nodes(text)["server"]
    assert isinstance(node, Background)
    assert (node.body.path, node.body.action, node.body.values) == ("server.run1", "run", {"command": "./serve"})
    assert node.ready
    assert (node.ready.pattern, node.ready.within) == ("port (\\d+)", 5)
    short = bench.nodes("flow: 1\nsteps:\n  - background: {run: ./serve, ready: listening}")["background1"]
    assert isinstance(short, Background)
    assert short.ready
    assert (short.ready.pattern, short.ready.within) == ("listening", 30)
