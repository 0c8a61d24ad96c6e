"""Templates: what they see, what a call gives them, where their steps stand in the plan."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given, settings

from flowrunner.model import Duration, Secret
from flowrunner.pipeline import plan_json
from flowrunner.pipeline.accepts import given as given_to
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.plan import Call
from tests.flowrunner.pipeline.test_properties import SAID, pipelines
from tests.support.compiler import Bench

BOOT = """
flow: 1
devices: {board: {selector: board=virt}}
templates:
  boot:
    devices: {dut: {requires: [video]}}
    inputs: {within: {type: duration, default: 30s}}
    steps:
      - power: cycle
      - id: seen
        expect: {prompt: "login: ", within: "${{ inputs.within }}"}
    outputs: {at: "${{ steps.seen.outputs.at }}"}
steps:
  - id: first
    call: boot
    with: {within: 5s}
  - call: boot
    foreach: [1, 2]
  - log: up at ${{ steps.first.outputs.at }}
"""


def test_the_steps_of_a_template_stand_below_each_call(bench: Bench) -> None:
    nodes = bench.nodes(BOOT)
    assert list(nodes) == ["first", "first.power1", "first.seen", "call2", "call2.power1", "call2.seen", "log3"]
    first = nodes["first"]
    assert isinstance(first, Call)
    assert (first.template, first.roles, first.values) == ("boot", {"dut": "board"}, {"within": "5s"})


def test_what_a_template_needs_is_asked_of_the_callers_device(bench: Bench) -> None:
    (request,) = bench.compile(BOOT).plan.requests()
    needs = {interface.name: where.line for _, wanted, where in request.needs for interface in wanted}
    assert needs == {"video": 15, "power": 15, "console": 15}, "the places are those of the first call"


def test_outputs_of_a_call_have_their_types(bench: Bench) -> None:
    (error,) = bench.errors(BOOT + "  - wait: ${{ 'x' in steps.first.outputs.at }}\n")
    assert error == "20:15 wrong-type: text cannot be in a duration | convert one with a filter"
    listed = BOOT.replace("    foreach: [1, 2]", "    id: again\n    foreach: [1, 2]")
    bench.compile(listed + "  - log: ${{ steps.again.outputs.at | length | string }}\n")


def test_a_template_inside_a_template_has_its_own_names(bench: Bench) -> None:
    nodes = bench.nodes("""
        flow: 1
        devices: {dut: {selector: board=virt}}
        templates:
          inner: {devices: {x: {}}, steps: [{id: go, power: on, device: x}]}
          outer: {devices: {y: {}}, steps: [{id: go, call: inner}, {id: last, call: inner, devices: {x: y}}]}
        steps:
          - {id: go, call: outer}
          - {id: last, call: inner}
        """)
    assert list(nodes) == ["go", "go.go", "go.go.go", "go.last", "go.last.go", "last", "last.go"]
    outer, inner = nodes["go"], nodes["go.go"]
    assert isinstance(outer, Call)
    assert isinstance(inner, Call)
    assert (dict(outer.roles), dict(inner.roles)) == ({"y": "dut"}, {"x": "y"})


def test_the_plan_names_the_callers_device_for_each_step(bench: Bench) -> None:
    found = plan_json(bench.compile(BOOT).plan)
    steps = found["scope"]["steps"][0]["scope"]["steps"]
    assert [step["device"] for step in steps] == ["board", "board"]


def test_a_path_starts_at_the_file_that_it_is_written_in(bench: Bench) -> None:
    (bench.folder / "lib").mkdir()
    (bench.folder / "lib" / "own.img").write_text("own")
    (bench.folder / "mine.img").write_text("mine")
    (bench.folder / "lib" / "t.yaml").write_text(
        "flow: 1\ntemplates: {show: {inputs: {image: {type: file, default: own.img}}, steps: [{log: hello}]}}\n"
    )
    text = "flow: 1\ninclude: {t: lib/t.yaml}\nsteps:\n  - {id: a, call: t.show}\n"
    nodes = bench.nodes(text + "  - {id: b, call: t.show, with: {image: mine.img}}\n")
    sizes = {name: call.files["image"].size for name, call in nodes.items() if isinstance(call, Call)}
    assert sizes == {"a": 3, "b": 4}
    before = bench.compile(text).plan.digest
    (bench.folder / "lib" / "own.img").write_text("other")
    assert bench.compile(text).plan.digest != before, "the file is part of the plan"


def test_a_file_of_templates_is_checked_and_does_not_run(bench: Bench) -> None:
    text = "flow: 1\ntemplates: {a: {steps: [{log: hello}]}}\n"
    assert bench.compile(text, complete=False).plan.runs is False
    (error,) = bench.errors(text)
    assert "nothing in it runs by itself" in error


def test_inputs_may_have_any_name(bench: Bench) -> None:
    names = ("copy", "json", "model_config", "schema", "self", "inputs")
    declared = ", ".join(f"{name}: {{type: duration}}" for name in names)
    given_ = ", ".join(f"{name}: 5s" for name in names)
    steps = "".join(f"      - wait: ${{{{ inputs.{name} }}}}\n" for name in names)
    text = f"flow: 1\ntemplates:\n  t:\n    inputs: {{{declared}}}\n    steps:\n{steps}"
    call = bench.nodes(text + f"steps:\n  - {{id: c, call: t, with: {{{given_}}}}}\n")["c"]
    assert isinstance(call, Call)
    assert call.accepts.model_validate(call.values).model_dump(by_alias=True) == dict.fromkeys(names, Duration(5))


@pytest.mark.parametrize("how", ["{type: secret}", "{type: secret, required: false}", "{type: secret, default: none}"])
def test_a_secret_is_one_inside_the_template_as_well(bench: Bench, how: str) -> None:
    text = (
        f"flow: 1\ntemplates:\n  t:\n    inputs: {{token: {how}}}\n"
        "    steps: [{run: {command: a, env: {T: 'x${{ inputs.token }}'}}}]\n"
        "secrets: {token: {required: false}}\nsteps:\n  - {id: c, call: t, with: {token: '${{ secrets.token }}'}}\n"
    )
    call = bench.nodes(text)["c"]
    assert isinstance(call, Call)
    assert isinstance(given_to(call.accepts.model_validate({"token": Secret("hidden")}))["token"], Secret)
    (error,) = bench.errors(
        text.replace("run: {command: a, env: {T: 'x${{ inputs.token }}'}}", "log: 'x${{ inputs.token }}'")
    )
    assert "secret-leak" in error


def inlined(node: dict[str, Any]) -> Any:
    """A scope of the plan without places."""
    if isinstance(node, dict):
        return {key: inlined(value) for key, value in node.items() if key not in ("where", "needs", "defined")}
    return [inlined(item) for item in node] if isinstance(node, list) else node


@given(pipelines())
@settings(max_examples=40, deadline=None)
def test_a_template_does_what_the_same_steps_in_a_group_do(text: str) -> None:
    body = text.partition("steps:\n")[2]
    body, _, last = body.partition("finally:\n")
    head = "flow: 1\ndevices: {dut: {selector: board=virt}}\n"
    steps, after = indent(body, "    "), indent(last, "    ")
    group = f"{head}{SAID}\nsteps:\n  - id: g\n    group:\n{steps}    finally:\n{after}"
    said = SAID.replace("templates: {", "templates:\n  ").removesuffix("}")
    called = f"{head}{said}\n  t:\n    devices: {{dut: {{}}}}\n    steps:\n{steps}    finally:\n{after}"
    called += "steps:\n  - id: g\n    call: t\n"
    with TemporaryDirectory() as folder:
        found = []
        for text in (group, called):
            path = Path(folder) / "test.yaml"
            path.write_text(text)
            plan = compile(path).plan
            paths = [node.path for node in plan.walk()]
            assert len(paths) == len(set(paths))
            found.append(inlined(plan_json(plan)["scope"]["steps"][0]["scope"]))
    assert found[0] == found[1]
