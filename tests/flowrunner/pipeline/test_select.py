"""Running a part of a pipeline: what is left out, and what cannot be."""

import pytest

from flowrunner.errors import PipelineErrors
from flowrunner.pipeline.select import Selection, select
from tests.support.compiler import Bench

STEPS = """
flow: 1
devices: {dut: {selector: board=virt}}
steps:
  - id: flash
    power: off
    tags: [slow]
  - id: boot
    tags: [smoke]
    group:
      - id: on
        power: on
      - id: up
        expect: "login: "
  - id: told
    log: up at ${{ steps.up.outputs.at }}
  - id: last
    run: "true"
    tags: [always]
finally:
  - power: off
outputs:
  up: ${{ steps.up.outputs.at }}
  last: ${{ steps.last.outputs.exit }}
"""

JOBS = """
flow: 1
jobs:
  build: {steps: [{id: made, run: make}], outputs: {it: "${{ steps.made.outputs.stdout }}"}}
  other: {steps: [{log: other}]}
  smoke:
    needs: [build]
    strategy: {matrix: {size: [1, 2]}}
    steps: [{id: first, log: first}, {id: second, log: "${{ matrix.size | string }}"}]
  told: {needs: [smoke], steps: [{log: told}]}
"""

BESIDE = """
flow: 1
steps:
  - id: before
    log: before
  - id: both
    parallel:
      branches:
        left: [{id: one, log: one}, {barrier: meet}, {id: two, log: two}]
        right: [{barrier: meet}, {id: three, log: three}]
  - id: after
    log: after
"""

TEMPLATES = """
flow: 1
templates:
  greet: {steps: [{id: hello, log: hello}, {id: bye, log: "${{ steps.hello.outcome }}"}]}
steps:
  - id: first
    call: greet
  - id: second
    call: greet
"""


def left(bench: Bench, text: str, **wanted: object) -> set[str]:
    """The paths of the nodes that are left out."""
    return set(select(bench.compile(text).plan, Selection(**wanted))[1])  # type: ignore[arg-type]


def refused(bench: Bench, text: str, **wanted: object) -> str:
    """What is said against such a selection."""
    with pytest.raises(PipelineErrors) as caught:
        left(bench, text, **wanted)
    return str(caught.value)


def test_from_a_step_on(bench: Bench) -> None:
    assert left(bench, STEPS, begin="boot") == {"flash"}
    assert left(bench, STEPS, begin="last") == {"flash", "boot", "boot.on", "boot.up", "told"}


def test_from_a_step_inside_of_a_group(bench: Bench) -> None:
    assert left(bench, STEPS, begin="boot.up") == {"flash", "boot.on"}
    assert left(bench, STEPS, begin="up") == {"flash", "boot.on"}
    assert left(bench, STEPS, begin="boot#2.up") == {"flash", "boot.on"}


def test_only_some_steps_and_what_comes_after_them_whatever_happens(bench: Bench) -> None:
    assert left(bench, STEPS, only=["on", "flash"]) == {"boot.up", "told", "last"}


def test_by_tags_which_a_block_hands_down(bench: Bench) -> None:
    assert left(bench, STEPS, tags=["smoke"]) == {"flash", "told"}
    assert left(bench, STEPS, skip_tags=["slow"]) == {"flash"}
    assert left(bench, STEPS, tags=["smoke", "slow"], skip_tags=["slow"]) == {"flash", "told"}


def test_a_step_that_needs_one_that_is_left_out_is_refused_with_its_place(bench: Bench) -> None:
    said = refused(bench, STEPS, begin="told")
    assert "test.yaml:16:20: 'told' needs steps.up.outputs.at, and 'boot.up' is left out by --from told" in said
    assert "let 'boot.up' run as well, or leave 'told' out" in said


def test_outputs_that_nothing_gives_are_left_out(bench: Bench) -> None:
    plan, _ = select(bench.compile(STEPS).plan, Selection(only=["last"]))
    assert list(plan.scope.outputs) == ["last"]


def test_a_job_without_those_that_it_needs(bench: Bench) -> None:
    assert left(bench, JOBS, begin="smoke") == {"build", "build.made"}
    assert left(bench, JOBS, begin="smoke.second") == {"build", "build.made", "smoke.first"}
    assert left(bench, JOBS, begin="smoke[1].second") == {"build", "build.made", "smoke.first"}
    assert left(bench, JOBS, only=["told"]) >= {"build", "smoke", "other"}


def test_branches_meet_at_their_barriers_as_long_as_one_of_them_runs(bench: Bench) -> None:
    assert left(bench, BESIDE, begin="two") == {"before", "both.left.one"}
    assert left(bench, BESIDE, only=["one"]) == {"before", "both.left.two", "both.right.three", "after"}
    assert left(bench, BESIDE, only=["after"]) >= {"both", "both.left", "both.right"}


def test_steps_of_one_call_of_a_template(bench: Bench) -> None:
    assert left(bench, TEMPLATES, only=["second.bye"]) == {"first", "first.hello", "first.bye", "second.hello"}
    assert "first.hello or second.hello" in refused(bench, TEMPLATES, only=["hello"])


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ({"only": ["bot"]}, "there is no step 'bot'\n  help: did you mean 'boot' or 'boot.up'?"),
        ({"begin": "boot.upp"}, "did you mean 'boot.up'"),
        ({"tags": ["smok"]}, "no step has the tag 'smok'\n  help: did you mean 'smoke'?"),
        ({"only": ["flash"], "skip_tags": ["slow"]}, "--only flash --skip-tags slow leaves nothing to run"),
    ],
)
def test_what_is_not_there_is_told(bench: Bench, wanted: dict[str, object], what: str) -> None:
    assert what in refused(bench, STEPS, **wanted)
