"""What an author of a pipeline sees in an editor: the real yaml-language-server with the schema of this repository."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from textwrap import indent

import pytest

from flowrunner.pipeline.actions import BLOCKS, COMMON, SCOPE
from flowrunner.pipeline.devices import interface_names
from flowrunner.pipeline.language import DefaultKeys, DeviceKeys, InputKeys, PipelineKeys, RetryKeys, WatchKeys
from flowrunner.pipeline.marks import key_of
from flowrunner.pipeline.own_schema import own_schema
from flowrunner.plugins import load, types
from flowrunner.step import Step
from tests.editor.client import ROOT, Editor
from tests.flowrunner.pipeline.test_properties import GOOD

pytestmark = [pytest.mark.anyio, pytest.mark.editor]

HEAD = "# yaml-language-server: $schema=../schemas/pipeline.json\nflow: 1\n"
ACTIONS = {name: load("flowrunner.steps", Step, name) for name in types("flowrunner.steps")}


def steps(text: str) -> str:
    return f"{HEAD}steps:\n{indent(text, '  ')}\n"


def keys(model: type) -> set[str]:
    return {key_of(name, field) for name, field in model.model_fields.items()}  # type: ignore[attr-defined]


PIPELINES = sorted(path for path in (ROOT / "pipelines").glob("*.yaml") if path.name != "lab.yaml")


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
async def test_finds_nothing_wrong_with_our_pipelines(editor: Editor, path: Path) -> None:
    assert path.read_text().startswith(HEAD.partition("\n")[0])
    assert await editor.problems(path.read_text()) == []


async def test_finds_nothing_wrong_with_a_pipeline_that_has_everything(editor: Editor) -> None:
    assert await editor.problems(GOOD.replace("\nflow: 1\n", HEAD, 1)) == []


MISTAKES = {
    # an action
    "- powr: cycle": "4:5 Property powr is not allowed.",
    "- power: cicle": '4:12 Value is not accepted. Valid values: "on", "off", "cycle", "read".',
    "- power: {action: cicle}": '4:21 Value is not accepted. Valid values: "on", "off", "cycle", "read".',
    "- power: {off_for: 5s}": '4:5 Missing property "action".',
    "- power: cycle\n  expect: a": "4:5 a step has exactly one action, this one has expect too",
    "- power: cycle\n  wait: 5s": "5:5 a step has exactly one action, this one has power too",
    "- timeout: 5s": "4:5 a step has exactly one action, such as power or expect",
    "- {}": "4:5 a step has exactly one action, such as power or expect",
    "- power": "4:5 a step is a mapping with one action, such as 'power: cycle'",
    "- ": "4:5 a step is a mapping with one action, such as 'power: cycle'",
    "power: on": "4:3 a list of steps belongs here",
    # its parameters
    "- expect: {promt: a}": "4:14 Property promt is not allowed.",
    "- expect: {prompt: a, within: 10}": "4:33 a duration has a unit, such as 10s or 10m",
    "- expect:\n    within: soon\n    prompt: a": "5:15 a duration has a unit, such as 10s or 10m",
    "- expect: {prompt: a, reject: 3}": "4:33 a list belongs here",
    "- expect: {prompt: a, reject: [{patern: b}]}": "4:35 Property patern is not allowed.",
    "- wait: 10": "4:11 a duration has a unit, such as 10s or 10m",
    "- wait:": "4:10 a duration has a unit, such as 10s or 10m",
    "- measure: 3": "4:14 a mapping with name and value belongs here",
    "- measure: {name: a}": '4:5 Missing property "value".',
    "- measure: {nam: a, value: 1}": "4:15 Property nam is not allowed.",
    "- flash: {image: a, verify: sure}": '4:31 Incorrect type. Expected "boolean".',
    "- snapshot: {name: a, tolerance: some}": '4:36 Incorrect type. Expected "integer".',
    "- power: {action: read, count: 0}": "4:34 Value is below the minimum of 1.",
    # the keys that all steps have
    "- power: on\n  Kind: test": "5:5 Property Kind is not allowed.",
    "- power: on\n  kind: tset": '5:11 Value is not accepted. Valid values: "setup", "test".',
    "- power: on\n  timeout: 5": "5:14 a duration has a unit, such as 10s or 10m",
    "- power: on\n  retry: 3": "5:12 a mapping belongs here",
    "- power: on\n  retry: {attempts: 2, on: [infra, lab]}": (
        '5:38 Value is not accepted. Valid values: "infra", "device", "timeout", "failed".'
    ),
    "- id: a b\n  power: on": "4:9 names are small letters, digits and underscores, and do not begin with a digit",
    # blocks
    "- power: on\n  rescue: []": "5:5 only blocks have this key: put the step into a group",
    "- group: {steps: []}": "4:12 a list of steps belongs here",
    "- lease: {devices: {}}": '4:5 Missing property "steps".',
    "- background: {run: a, shell: b}": "4:26 it has either run or shell, this one has both",
    "- background: {ready: a}": "4:5 it needs run or shell",
    "- power: on\n  with: {a: 1}": "5:5 only call has this key",
    "- call: Boot": "4:11 call has the name of a template, such as boot or hil.boot",
    "- call: [boot]": "4:11 call has the name of a template, such as boot or hil.boot",
    "- call: boot\n  with: 3": "5:11 a mapping of inputs belongs here",
    "- call: boot\n  devices: {dut: {selector: a}}": "5:20 the name of a device, from devices",
    "- call: boot\n  rescue: []": "5:5 Property rescue is not allowed.",
    "- barrier: [a]": "4:14 a barrier has a name; it stands right in a branch of parallel",
    "- parallel: [wait: 1s]": '4:15 Incorrect type. Expected "parallel".',
    "- parallel: {branches: {a: {wait: 1s}}}": "4:30 a list of steps belongs here",
    "- parallel: {branches: {a: [wiat: 1s]}}": "4:31 Property wiat is not allowed.",
}


@pytest.fixture(scope="module")
async def opened(editor: Editor) -> Editor:
    """All of them are open, so that the server's pauses before it looks at them pass together."""
    for text in (*(steps(step) for step in MISTAKES), *(f"{HEAD}{text}\n" for text in TOP_MISTAKES)):
        await editor.open(text)
    return editor


@pytest.mark.parametrize("step", MISTAKES)
async def test_underlines_one_thing_for_one_mistake_in_a_step(opened: Editor, step: str) -> None:
    assert await opened.problems(steps(step)) == [MISTAKES[step]]


TOP_MISTAKES = {
    "timout: 5s\nsteps: [wait: 1s]": "3:1 Property timout is not allowed.",
    "name: a": "2:1 a pipeline has steps: what to do, in order; or jobs; a library of templates has templates",
    "steps: []": "3:8 Array has too few items. Expected 1 or more.",
    "inputs: {A-b: {}}\nsteps: [wait: 1s]": (
        "3:10 names are small letters, digits and underscores, and do not begin with a digit"
    ),
    "inputs: {a: {typ: int}}\nsteps: [wait: 1s]": "3:14 Property typ is not allowed.",
    "devices: {dut: {selecter: a=b}}\nsteps: [wait: 1s]": "3:17 Property selecter is not allowed.",
    "defaults: {expect: {withn: 1s}}\nsteps: [wait: 1s]": "3:21 Property withn is not allowed.",
    "include: {a: {fiel: b}}\nsteps: [wait: 1s]": "3:15 Property fiel is not allowed.",
    "include: {a: 5}\nsteps: [wait: 1s]": '3:14 Incorrect type. Expected "string".',
    "templates: {a: {stps: [wait: 1s]}}": "3:17 Property stps is not allowed.",
    "templates: {a: {steps: [wiat: 1s]}}": "3:25 Property wiat is not allowed.",
    "jobs: {a: {neds: b, steps: [wait: 1s]}}": "3:12 Property neds is not allowed.",
    "jobs: {a: {}}": '3:8 Missing property "steps".',
    "jobs: {a: {strategy: {matrix: {b: 1}}, steps: [wait: 1s]}}": "3:35 a list belongs here",
    "jobs: {a: {strategy: {max_paralel: 1, matrix: {b: [1]}}, steps: [wait: 1s]}}": "3:23 Property max_paralel is not allowed.",
    "jobs: {a: {steps: [wait: 1s]}}\nsteps: [wait: 1s]": "4:1 a pipeline with jobs leaves this to them",
    "jobs: {a: {steps: [wiat: 1s]}}": "3:20 Property wiat is not allowed.",
}


@pytest.mark.parametrize("text", TOP_MISTAKES)
async def test_underlines_one_thing_for_one_mistake_at_the_top(opened: Editor, text: str) -> None:
    assert await opened.problems(f"{HEAD}{text}\n") == [TOP_MISTAKES[text]]


@pytest.mark.parametrize("typed", ["- |", "- ex|", "- wait: 1s\n- |", "- group:\n  - |"])
async def test_offers_actions_with_their_pages_and_common_keys_for_a_new_step(editor: Editor, typed: str) -> None:
    offered = await editor.offers(steps(typed))
    assert offered.keys() == {*ACTIONS, *BLOCKS, *COMMON}
    for name, action in ACTIONS.items():
        assert offered[name].help == inspect.getdoc(action)
    assert all(item.help for item in offered.values())


async def test_offers_no_second_action(editor: Editor) -> None:
    assert (await editor.offers(steps("- expect: a\n  |"))).keys() == COMMON


@pytest.mark.parametrize("block", ["group: [wait: 1s]", "lease: {devices: {dut: ''}, steps: [wait: 1s]}"])
async def test_offers_the_keys_of_a_scope_only_for_blocks(editor: Editor, block: str) -> None:
    assert (await editor.offers(steps(f"- {block}\n  |"))).keys() == COMMON | SCOPE


@pytest.mark.parametrize("typed", ["power: |", "power: {action: |}", "power:\n    action: |", "power: c|"])
async def test_offers_the_words_of_an_action_without_quotes(editor: Editor, typed: str) -> None:
    offered = await editor.offers(steps(f"- {typed}"))
    assert [(item.label, item.text) for item in offered.values()] == [(w, w) for w in ("on", "off", "cycle", "read")]


@pytest.mark.parametrize("name", ACTIONS)
async def test_offers_the_parameters_of_an_action_and_nothing_else(editor: Editor, name: str) -> None:
    offered = await editor.offers(steps(f"- {name}:\n    |"))
    assert offered.keys() == keys(ACTIONS[name])
    assert all(item.help and item.text.startswith(f"{item.label}:") for item in offered.values())


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("- wait: 1s\n  retry:\n    |", keys(RetryKeys)),
        ("- wait: 1s\n  retry:\n    on: [|]", {"infra", "device", "timeout", "failed"}),
        ("- wait: 1s\n  kind: |", {"setup", "test"}),
        ("- wait: 1s\n  interruptible: |", {"true", "false"}),
        ("- wait: |", {"10s"}),
        ("- expect: |", {'"login: "'}),
        ("- expect: {within: |}", {"1m", "10s", "10m"}),
        ("- background:\n    |", {"run", "shell", "ready"}),
    ],
)
async def test_offers_what_fits_into_a_step_and_no_noise(editor: Editor, typed: str, wanted: set[str]) -> None:
    assert (await editor.offers(steps(typed))).keys() == wanted


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("|", keys(PipelineKeys) - {"flow"}),
        ("inputs:\n  a:\n    |", keys(InputKeys)),
        ("devices:\n  |", set()),
        ("devices:\n  dut:\n    |", keys(DeviceKeys)),
        ("devices:\n  dut: {requires: [|]}", set(interface_names())),
        ("watch:\n  - |", keys(WatchKeys)),
        ("defaults:\n  |", keys(DefaultKeys) | ACTIONS.keys()),
    ],
)
async def test_offers_what_fits_at_the_top_and_no_noise(editor: Editor, typed: str, wanted: set[str]) -> None:
    assert (await editor.offers(f"{HEAD}{typed}\n")).keys() == wanted


async def test_puts_in_on_without_quotes(editor: Editor) -> None:
    offered = await editor.offers(steps("- wait: 1s\n  retry:\n    |"))
    assert offered["on"].text == "on: [$1]"


async def test_shows_the_page_of_an_action(editor: Editor) -> None:
    page = await editor.hover(steps("- exp|ect: a"))
    assert page.startswith("#### expect\n\nWait for text on the console.")
    assert "```yaml\nsteps:\n  - expect: " in page


@pytest.mark.parametrize(
    ("typed", "help"),
    [
        ("expect: {with|in: 5s}", "#### within\n\nHow long to wait. The default is `1m`."),
        ("wait: 1s\n  time|out: 2s", "#### timeout\n\nThe limit of the step with all its attempts, capped by"),
        ("wait: 1s\n  time|out: ${{ inputs.a }}", "The limit of the step with all its attempts, capped by"),
        ("wait: 1s\n  retry: {attempts: 2, o|n: [infra]}", "What is worth another attempt."),
    ],
)
async def test_shows_the_help_of_a_key(editor: Editor, typed: str, help: str) -> None:
    shown = await editor.hover(steps(f"- {typed}"))
    assert re.sub(r"\\(.)", r"\1", help) in shown


LIBRARY = """
flow: 1
templates:
  boot:
    inputs: {within: {type: duration}, mode: {type: string, choices: [fast, slow], default: fast}}
    devices: {board: {requires: [console]}}
    steps: [{expect: {pattern: x, within: "${{ inputs.within }}"}}]
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    """The head of a pipeline with a schema of its own, and a library beside it."""
    (tmp_path / "lib.yaml").write_text(LIBRARY)
    head = "flow: 1\ninclude: {hil: lib.yaml}\ndevices: {dut: board=rpi4, ap: board=ap}\n"
    (tmp_path / "p.yaml").write_text(f"{head}steps: [{{call: hil.boot, with: {{within: 3s}}}}]\n")
    schema = tmp_path / "own.json"
    schema.write_text(json.dumps(own_schema(tmp_path / "p.yaml", {}, ["board=rpi4", "board=ap"])))
    return f"# yaml-language-server: $schema={schema.as_uri()}\n{head}"


async def test_a_schema_of_its_own_offers_templates_with_their_inputs_and_devices(editor: Editor, own: str) -> None:
    assert set(await editor.offers(own + "steps:\n  - call: |\n")) == {"hil.boot"}
    assert {"within", "mode"} <= set(await editor.offers(own + "steps:\n  - call: hil.boot\n    with:\n      |\n"))
    text = own + "steps:\n  - call: hil.boot\n    with:\n      within: 3s\n      mode: |\n"
    assert {"fast", "slow"} <= set(await editor.offers(text))
    text = own + "steps:\n  - call: hil.boot\n    with: {within: 3s}\n    devices:\n      |\n"
    assert set(await editor.offers(text)) == {"board"}
    assert {"dut", "ap"} <= set(await editor.offers(own + "steps:\n  - power: cycle\n    device: |\n"))


async def test_a_schema_of_its_own_underlines_a_call_that_is_wrong(editor: Editor, own: str) -> None:
    good = own + "steps:\n  - call: hil.boot\n    with: {within: 3s}\n    devices: {board: dut}\n"
    assert await editor.problems(good) == []
    (found,) = await editor.problems(good.replace("hil.boot", "hil.bot"))
    assert "hil.boot" in found
    (found,) = await editor.problems(good.replace("within: 3s", "within: 3s, x: 1"))
    assert found == "7:24 Property x is not allowed."
    (found,) = await editor.problems(good.replace("with: {within: 3s}", "with: {}"))
    assert found == '7:5 Missing property "within".'
