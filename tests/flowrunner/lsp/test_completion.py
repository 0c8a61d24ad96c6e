"""What is offered, also where the text is broken."""

from __future__ import annotations

import pytest

from flowrunner.plugins import types
from tests.support.editor import Editor

pytestmark = pytest.mark.anyio

HEAD = "flow: 1\ninputs: {image: {type: file, description: The image to flash}}\ndevices: {dut: board=x, ap: board=y}\nsteps:\n"
TEMPLATE = "templates:\n  up:\n    inputs: {prompt: {description: What it says}}\n    devices: {board: {}}\n    steps: [{log: x}]\n"
EXPECT = {"pattern", "prompt", "patterns", "within", "settle", "reject"}


def named(value: object) -> str:
    """The name of a parameter: the same in each process, which the order of a set is not."""
    return " ".join(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  - expect:\n      wi|\n    timeout: 3s\n", EXPECT),
        ("  - expect: {pattern: x, |}\n", EXPECT - {"pattern"}),
        ("  - expect: {pattern: x, wi|\n  - power: on\n", EXPECT - {"pattern"}),
        ("  - expect: {prompt: 'x, wi|\n", set()),
        ("  - power: |\n", {"on", "off", "cycle", "read"}),
        ("  - power: {action: o|}\n", {"on", "off", "cycle", "read"}),
        ("  - power: on\n    kind: |\n    device: dut\n", {"setup", "test"}),
        ("  - power: on\n    device: |\n", {"dut", "ap"}),
        ("  - power: on\n    on: [dut, a|]\n", {"dut", "ap"}),
        ("  - power: on\n    on: {together: [|]}\n", {"dut", "ap"}),
        ("  - lease: {devices: {n: {count: 2}}, steps: [{power: on, device: |}]}\n", {"dut", "ap", "n1", "n2"}),
        ("  - lease: {devices: {n: {count: 2}}, steps: [{power: on, on: |}]}\n", {"dut", "ap", "n", "n1", "n2"}),
        ("  - power: on\n    retry: {attempts: 2, on: [|]}\n", {"infra", "device", "timeout", "failed"}),
        ("  - group:\n      - power: on\n        device: a|\n", {"dut", "ap"}),
        ("  - power: on\n    retry: {attempts: 2, o|}\n", {"on", "backoff", "attempt_timeout", "between"}),
        ("  - call: |\n" + TEMPLATE, {"up"}),
        ("  - call: up\n    with: {|}\n" + TEMPLATE, {"prompt"}),
        ("  - call: up\n    with:\n      pr|\n" + TEMPLATE, {"prompt"}),
        ("  - call: up\n    devices: {|}\n" + TEMPLATE, {"board"}),
        ("  - call: up\n    devices: {board: |}\n" + TEMPLATE, {"dut", "ap"}),
        ("  - id: boot\n    shell: x\n  - log: ${{ steps.|\n  - id: later\n    log: x\n", {"boot"}),
        ("  - id: boot\n    shell: x\n  - log: ${{ steps.boot.outputs.st| }}\n", {"stdout", "exit", "lines", "parsed", "seconds"}),
        ("  - log: ${{ inputs.| }}\n", {"image"}),
        ("  - log: ${{ 'x' ~ devices.| }}\n", {"dut", "ap"}),
        ("  - log: ${{ devices.dut.|\n", {"name", "exporter", "labels"}),
        ("  - {log: 'inputs.|'}\n", set()),
    ],
    ids=named,
)  # fmt: skip
async def test_offers_what_fits(editor: Editor, text: str, wanted: set[str]) -> None:
    assert set(await editor.offers(HEAD + text)) == wanted


async def test_offers_every_action_with_its_page_where_a_step_has_none(editor: Editor) -> None:
    offered = await editor.offers(HEAD + "  - |\n")
    assert set(types("flowrunner.steps")) <= set(offered)
    assert "Wait for text on the console." in str(offered["expect"].documentation)
    with_one = await editor.offers(HEAD + "  - power: on\n    |\n")
    assert "timeout" in with_one
    assert not set(types("flowrunner.steps")) & set(with_one)


async def test_offers_keys_at_the_top_that_are_not_there_yet(editor: Editor) -> None:
    offered = await editor.offers("flow: 1\n|\nsteps:\n  - power: on\n")
    assert {"inputs", "jobs", "finally"} <= set(offered)
    assert not {"flow", "steps"} & set(offered)


async def test_puts_the_word_in_place_of_what_was_typed(editor: Editor) -> None:
    edit = (await editor.offers(HEAD + "  - ög: {wi|\n  - expect: {with|in: 3s}\n".replace("|", "", 1)))[
        "within"
    ].text_edit
    assert edit is not None
    assert edit.new_text == "within: "
    start, end = (edit.range.start, edit.range.end) if hasattr(edit, "range") else (edit.insert.start, edit.insert.end)
    assert (start.line, start.character, end.character) == (5, 13, 17)


JOBS = """flow: 1
jobs:
  build: {steps: [{run: make}], outputs: {image: x}}
  boot:
    needs: [%s]
    strategy: {matrix: {board: [a, b]}}
    devices: {dut: {selector: "board=${{ %s }}"}}
    steps:
      - id: mine
        log: ${{ %s }}
"""


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (("|", "x", "x"), {"build"}),
        (("build", "matrix.|", "x"), {"board"}),
        (("build", "x", "needs.|"), {"build"}),
        (("build", "x", "needs.build.outputs.|"), {"image"}),
        (("build", "x", "steps.|"), set()),
    ],
    ids=named,
)
async def test_offers_what_a_job_sees(editor: Editor, parts: tuple[str, ...], wanted: set[str]) -> None:
    assert set(await editor.offers(JOBS % parts)) == wanted


@pytest.mark.parametrize("text", ["flow: 1\nsteps:\n\t- |\n", "|", "{{{|", "a: [|", "flow: 1\n- x\n|", "&a *a |"])
async def test_stays_alive_whatever_is_typed(editor: Editor, text: str) -> None:
    await editor.offers(text, "wild.yaml")
    assert "expect" in await editor.offers(HEAD + "  - ex|\n", "wild.yaml")


async def test_offers_drivers_and_the_keys_of_the_one_that_is_named(editor: Editor) -> None:
    lab = "exporters:\n  a:\n    export:\n      power: {type: %s\n"
    drivers = await editor.offers(lab % "po|}", "lab.yaml")
    assert set(types("flowrunner.drivers")) <= set(drivers)
    keys = await editor.offers(lab % "power.command, config: {|}}", "lab.yaml")
    assert set(keys) == {"on", "off", "read", "interval", "timeout"}
    exporter = "export:\n  power:\n    type: power.command\n    config:\n      'on': x\n      |\n    description: y\n"
    assert set(await editor.offers(exporter, "exporters/one.yaml")) == {"off", "read", "interval", "timeout"}
