"""Scopes: defaults, limits, watches, devices, blocks."""

from flowrunner.expressions import Expression
from flowrunner.pipeline.plan import Block, StepNode
from tests.support.compiler import Bench


def test_the_nearest_default_wins_for_each_key(bench: Bench) -> None:
    nodes = bench.nodes(
        """
        flow: 1
        devices: {dut: {}}
        defaults: {timeout: 1m, severity: warning, expect: {within: 10s, settle: 1s}}
        steps:
          - expect: "login: "
          - group:
              - {id: inner, expect: {prompt: "# ", settle: 3s}, severity: error}
            defaults: {timeout: 2m, expect: {within: 20s}}
        finally:
          - {id: last, power: off}
        """
    )
    outer, inner, last = (
        nodes["expect1"],
        nodes["inner"] if "inner" in nodes else nodes["group2.inner"],
        nodes["finally.last"],
    )
    assert isinstance(outer, StepNode)
    assert isinstance(inner, StepNode)
    assert (outer.timeout, outer.severity, outer.values) == (
        60,
        "warning",
        {"prompt": "login: ", "within": "10s", "settle": "1s"},
    )
    assert (inner.timeout, inner.severity, inner.values) == (
        120,
        "error",
        {"prompt": "# ", "settle": "3s", "within": "20s"},
    )
    assert (last.timeout, last.severity) == (60, "warning")


def test_defaults_are_for_actions_and_not_for_blocks(bench: Bench) -> None:
    nodes = bench.nodes(
        "flow: 1\ndefaults: {timeout: 1m, retry: {attempts: 2, on: [infra]}}\nsteps:\n  - group: [{log: a}]"
    )
    assert (nodes["group1"].timeout, nodes["group1"].retry) == (None, None)
    assert nodes["group1.log1"].timeout == 60
    assert nodes["group1.log1"].retry


def test_a_default_device_is_for_the_steps_that_need_one(bench: Bench) -> None:
    nodes = bench.nodes(
        "flow: 1\ndevices: {a: {}, b: {}}\ndefaults: {device: b}\nsteps:\n  - log: x\n  - power: on\n"
        "  - {power: on, device: a}\n  - background: {shell: top}"
    )
    assert [node.device for node in nodes.values() if isinstance(node, StepNode)] == [None, "b", "a", "b"]


def test_a_mistake_in_the_defaults_is_told_once(bench: Bench) -> None:
    steps = "  - log: a\n" * 5
    found = bench.errors(f"flow: 1\ndefaults: {{timeout: 5, log: {{level: loud}}}}\nsteps:\n{steps}")
    assert [error.partition(" | ")[0] for error in found] == [
        "2:21 missing-unit: timeout needs a duration, got the number 5",
        "2:37 bad-value: level is one of info, warning, error; got the text 'loud'",
    ]


def test_defaults_are_checked_also_when_no_step_uses_them(bench: Bench) -> None:
    found = bench.errors("flow: 1\ndefaults: {expect: {within: 5}}\nsteps: [{log: a}]")
    assert [error.partition(" | ")[0] for error in found] == [
        "2:29 missing-unit: within needs a duration, got the number 5"
    ]


def test_a_scope_has_its_limits(bench: Bench) -> None:
    scope = bench.compile(
        "flow: 1\ninputs: {t: {type: duration, default: 5m}}\ntimeout: ${{ inputs.t }}\nfinally_timeout: 3m\n"
        "queue_timeout: 45m\nsteps: [{log: a}]"
    ).plan.scope
    assert isinstance(scope.timeout, Expression)
    assert (scope.finally_timeout, scope.queue_timeout) == (180, 2700)


def test_a_device_is_what_the_file_says_of_it(bench: Bench) -> None:
    text = """
        flow: 1
        inputs: {board: {default: rpi4}}
        devices:
          dut:
            selector: board=${{ inputs.board }},site=${{ env.SITE }}
            requires: [power, video]
            duration: 1h
            safe_state: {power: off, storage: host}
          ap: board=ap
          any: {safe_state: keep}
        steps: [{log: a}]
        """
    dut, ap, anything = bench.compile(text, environment={"SITE": "berlin"}).plan.requests()
    assert (dut.role, dut.selector, dut.requires, dut.duration) == (
        "dut",
        "board=rpi4,site=berlin",
        ("power", "video"),
        3600,
    )
    assert dut.safe_state == {"power": "off", "storage": "host"}
    assert (ap.selector, ap.duration, ap.safe_state) == ("board=ap", 86400, {"power": "off"})
    assert (anything.selector, anything.safe_state) == ("", "keep")


def test_a_watch_looks_at_the_only_device_and_asks_it_for_a_console(bench: Bench) -> None:
    scope = bench.compile(
        "flow: 1\ndevices: {dut: {}}\nwatch:\n  - {pattern: panic, grace: 2s}\n"
        "  - {pattern: 'mmc0: error', outcome: errored, blame: device, device: dut.console2}\nsteps: [{log: a}]"
    ).plan.scope
    first, second = scope.watch
    assert (first.pattern, first.outcome, first.blame, first.grace, first.device) == ("panic", "failed", None, 2, "dut")
    assert (second.outcome, second.blame, second.device, second.where.short) == (
        "errored",
        "device",
        "dut.console2",
        "5:5",
    )
    assert [(part, wanted[0].name) for part, wanted, _ in scope.devices[0].needs] == [
        ("", "console"),
        ("console2", "console"),
    ]


def test_a_group_has_all_the_keys_of_a_scope(bench: Bench) -> None:
    nodes = bench.nodes(
        """
        flow: 1
        steps:
          - id: boot
            group: [{id: up, power: on}]
            devices: {dut: {}}
            queue_timeout: 5m
            finally_timeout: 1m
            watch: [{pattern: panic}]
            rescue: [{log: sorry}]
            finally: [{power: off}]
            outputs: {at: "${{ steps.up.outputs.at }}"}
            severity: warning
            on_failure: continue
            tags: [a]
            if: ${{ env.CI == 'true' }}
        """
    )
    boot = nodes["boot"]
    assert isinstance(boot, Block)
    scope = boot.scope
    assert (len(scope.devices), len(scope.watch), len(scope.rescue), len(scope.last), list(scope.outputs)) == (
        1,
        1,
        1,
        1,
        ["at"],
    )
    assert (scope.queue_timeout, scope.finally_timeout, boot.severity, boot.on_failure) == (
        300,
        60,
        "warning",
        "continue",
    )
    assert boot.condition


def test_the_pipeline_is_called_by_its_file_when_it_has_no_name(bench: Bench) -> None:
    plan = bench.compile("flow: 1\nsteps: [{log: a}]").plan
    assert plan.name == "test"


def test_every_list_of_steps_is_checked(bench: Bench) -> None:
    found = bench.errors(
        "flow: 1\nsteps:\n  - log: a\n    retry: {attempts: 2, on: [infra], between: [{wiat: 5s}]}\n"
        "  - group: [{log: a, tags: x}]\n    rescue: [{log: 1}]\n    finally: [{log: 2}]\nrescue: [log]\nfinally: [{power: on}]"
    )
    assert [error.partition(":")[0] + error.partition(" ")[2].partition(":")[0] for error in found] == [
        "4unknown-action", "5wrong-type", "6wrong-type", "7wrong-type", "8no-action", "9no-device",
    ]  # fmt: skip
