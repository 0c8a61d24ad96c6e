"""Which names an expression sees, and of which types they are."""

import pytest

from tests.support.compiler import Bench

HEAD = "flow: 1\ndevices: {dut: {selector: board=virt}}\nsteps:\n"


def test_steps_see_those_before_them_also_inside_earlier_blocks(bench: Bench) -> None:
    bench.compile(HEAD + "  - group: [{id: up, power: on}]\n  - wait: ${{ steps.up.outputs.at }}")


def test_a_step_that_runs_later_is_told_with_its_place(bench: Bench) -> None:
    assert bench.errors(HEAD + "  - log: ${{ steps.up.outcome }}\n  - {id: up, power: on}") == [
        "4:20 unavailable: the step 'up' runs later | it is defined at 5:10"
    ]


def test_a_step_does_not_see_itself(bench: Bench) -> None:
    assert bench.errors(HEAD + "  - {id: up, log: '${{ steps.up.outcome }}'}") == [
        "4:30 unavailable: the step 'up' runs later | it is defined at 4:10"
    ]


def test_outputs_have_types(bench: Bench) -> None:
    text = (
        HEAD
        + "  - {id: c, run: 'true'}\n  - measure: {name: a, value: '${{ steps.c.outputs.exit }}'}\n  - wait: ${{ steps.c.outputs.exit }}"
    )
    assert [error.partition(" | ")[0] for error in bench.errors(text)] == [
        "6:11 wrong-type: wait needs a duration, the expression gives a whole number"
    ]


def test_a_repeated_step_gives_lists_and_knows_its_loop(bench: Bench) -> None:
    text = HEAD + (
        "  - {id: each, run: 'echo ${{ loop.item }} ${{ loop.index }}', foreach: [a, b]}\n"
        "  - log: ${{ steps.each.outputs.stdout | join(', ') }}\n"
        "  - wait: ${{ steps.each.outputs.exit }}\n"
    )
    assert [error.partition(" | ")[0] for error in bench.errors(text)] == [
        "6:11 wrong-type: wait needs a duration, the expression gives a list"
    ]


def test_steps_inside_a_repeated_block_give_values_inside_and_lists_outside(bench: Bench) -> None:
    text = HEAD + (
        "  - group:\n"
        "      - {id: up, power: on}\n"
        "      - wait: ${{ steps.up.outputs.at }}\n"
        "      - log: ${{ loop.item }}\n"
        "    foreach: [1, 2]\n"
        "  - wait: ${{ steps.up.outputs.at }}\n"
    )
    assert [error.partition(" | ")[0] for error in bench.errors(text)] == [
        "9:11 wrong-type: wait needs a duration, the expression gives a list"
    ]


def test_the_condition_and_the_list_of_a_repeated_step_do_not_see_its_loop(bench: Bench) -> None:
    found = bench.errors(HEAD + "  - {log: a, foreach: [1], if: '${{ loop.index == 0 }}'}")
    assert [error.partition(" | ")[0] for error in found] == [
        "4:37 unavailable: 'loop' exists only in what has foreach"
    ]


def test_attempt_is_known_in_what_is_retried(bench: Bench) -> None:
    retry = "retry: {attempts: 2, on: [infra], between: [{log: 'go ${{ attempt }}'}]}"
    bench.compile(
        HEAD
        + f"  - {{wait: '${{{{ attempt | duration }}}}', {retry}}}\n  - {{group: [{{log: 'go ${{{{ attempt }}}}'}}], {retry}}}"
    )
    found = bench.errors(HEAD + "  - log: ${{ attempt }}")
    assert [error.partition(" | ")[0] for error in found] == [
        "4:14 unavailable: 'attempt' exists only in what has retry"
    ]


def test_steps_between_attempts_see_the_steps_of_the_block(bench: Bench) -> None:
    bench.compile(
        HEAD + "  - group: [{id: up, power: on}]\n"
        "    retry: {attempts: 2, on: [infra], between: [{log: '${{ steps.up.outcome }}'}]}"
    )


def test_rescue_knows_the_failure_and_finally_all_steps(bench: Bench) -> None:
    bench.compile(
        HEAD + "  - {id: up, power: on}\n"
        "rescue: [{id: say, log: '${{ failure.outcome }} ${{ failure.message }} ${{ steps.up.outcome }}'}]\n"
        "finally: [{log: '${{ steps.up.outcome }} ${{ steps.say.outcome }}'}]\n"
        "outputs: {up: '${{ steps.up.outputs.at }}'}"
    )


def test_a_block_gives_its_outputs_with_their_types(bench: Bench) -> None:
    text = HEAD + (
        "  - {id: boot, group: [{id: up, power: on}], outputs: {at: '${{ steps.up.outputs.at }}', board: virt}}\n"
        "  - wait: ${{ steps.boot.outputs.at }}\n"
        "  - wait: ${{ steps.boot.outputs.board }}\n"
    )
    assert [error.partition(" | ")[0] for error in bench.errors(text)] == [
        "6:11 wrong-type: wait needs a duration, the expression gives text"
    ]


def test_a_background_command_leaves_nothing(bench: Bench) -> None:
    found = bench.errors(
        "flow: 1\nsteps:\n  - {id: s, background: {run: ./serve}}\n  - log: ${{ steps.s.outputs.stdout }}"
    )
    assert found == [
        "4:20 unavailable: what runs in the background leaves nothing for later steps | let it write a file"
    ]


def test_a_step_that_is_no_good_gives_no_second_error(bench: Bench) -> None:
    found = bench.errors(HEAD + "  - {id: up, powr: on}\n  - wait: ${{ steps.up.outputs.at }}")
    assert [error.partition(" | ")[0] for error in found] == ["4:14 unknown-action: there is no action 'powr'"]


@pytest.mark.parametrize(
    "expression",
    ["devices.dut.name", "devices.dut.labels.board", "devices.dut.exporter", "run.id", "run.dir", "env.HOME"],
)
def test_every_expression_knows_the_run_its_devices_and_the_environment(bench: Bench, expression: str) -> None:
    bench.compile(HEAD + f"  - log: ${{{{ {expression} }}}}")


def test_devices_are_known_only_where_they_are_leased(bench: Bench) -> None:
    text = (
        HEAD
        + "  - lease: {devices: {ap: {}}, steps: [{log: '${{ devices.ap.name }}'}]}\n  - log: ${{ devices.ap.name }}"
    )
    assert [error.partition(" | ")[0] for error in bench.errors(text)] == [
        "5:22 unknown-device: there is no device 'ap'"
    ]
