"""Where names lead, what is said of them, and how they change."""

from __future__ import annotations

import pytest

from tests.support.editor import Editor

pytestmark = pytest.mark.anyio

LIBRARY = """flow: 1
templates:
  up:
    description: Waits until it is up
    inputs: {prompt: {type: string, description: What it says, default: "login: "}}
    devices: {board: {requires: [power]}}
    steps:
      - id: seen
        expect: "${{ inputs.prompt }}"
    outputs: {at: "${{ steps.seen.outputs.at }}"}
"""

MAIN = """flow: 1
include: {hil: lib/hil.yaml}
inputs: {image: {type: file, description: The image to flash}}
jobs:
  build:
    steps: [{run: make}]
    outputs: {path: x}
  boot:
    needs: build
    strategy: {matrix: {side: [left, right]}}
    devices: {dut: {selector: board=x}}
    steps:
      - id: up
        call: hil.up
        with: {prompt: hello}
        devices: {board: dut}
      - id: read
        shell: cat
        device: dut
      - log: ${{ inputs.image }} ${{ steps.read.outputs.stdout }} ${{ needs.build.outputs.path }} ${{ matrix.side }}
      - log: ${{ steps.up.outputs.at }} ${{ devices.dut.name }} 'steps.read'
"""


@pytest.fixture(autouse=True)
def _library(editor: Editor) -> None:
    (editor.folder / "lib").mkdir(exist_ok=True)
    (editor.folder / "lib" / "hil.yaml").write_text(LIBRARY)


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        ("call: hil.|up", "hil.yaml:3:3"),
        ("hil: lib/hi|l", "hil.yaml:1:1"),
        ("with: {pro|mpt", "hil.yaml:5:14"),
        ("devices: {bo|ard", "hil.yaml:6:15"),
        ("{board: du|t}", "p.yaml:11:15"),
        ("device: du|t", "p.yaml:11:15"),
        ("needs: bui|ld", "p.yaml:5:3"),
        ("inputs.ima|ge", "p.yaml:3:10"),
        ("steps.re|ad.outputs.stdout", "p.yaml:17:13"),
        ("needs.bu|ild", "p.yaml:5:3"),
        ("needs.build.outputs.pa|th", "p.yaml:7:15"),
        ("matrix.si|de", "p.yaml:10:25"),
        ("steps.up.outputs.a|t", "hil.yaml:10:15"),
        ("devices.du|t.name", "p.yaml:11:15"),
        ("'steps.re|ad'", ""),
    ],
)
async def test_leads_to_where_a_name_is_declared(editor: Editor, at: str, wanted: str) -> None:
    assert MAIN.count(at.replace("|", "")) == 1
    assert await editor.definition(MAIN.replace(at.replace("|", ""), at)) == wanted


async def test_leads_to_the_code_of_actions_and_drivers(editor: Editor) -> None:
    assert (await editor.definition(MAIN.replace("shell: cat", "she|ll: cat"))).startswith("shell.py:")
    lab = "exporters:\n  a: {export: {power: {type: power.vir|tual}}}\n"
    assert (await editor.definition(lab, "lab.yaml")).startswith("virtual.py:")


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        ("she|ll: cat", "Run a command"),
        ("call: hil.|up", "Waits until it is up"),
        ("inputs.ima|ge", "The image to flash"),
        ("steps.read.outputs.std|out", "string"),
        ("needs: bui|ld", ""),
        ("ma|trix: {side", "Values by name"),
        ("devi|ce: dut", "The role it works on"),
    ],
)
async def test_tells_what_there_is_to_know(editor: Editor, at: str, wanted: str) -> None:
    assert wanted in await editor.hover(MAIN.replace(at.replace("|", ""), at))


async def test_tells_of_a_driver_and_of_its_keys(editor: Editor) -> None:
    lab = "exporters:\n  a: {export: {power: {type: power.%s, config: {%s: ls}}}}\n"
    assert "command" in await editor.hover(lab % ("com|mand", "'on'"), "lab.yaml")
    assert await editor.hover(lab % ("command", "inter|val"), "lab.yaml")


async def test_renames_a_step_wherever_its_job_says_it(editor: Editor) -> None:
    wanted = MAIN.replace("id: read", "id: version").replace("${{ steps.read.", "${{ steps.version.")
    for at in ("id: re|ad", "steps.re|ad.outputs"):
        assert await editor.rename(MAIN.replace(at.replace("|", ""), at), "version") == wanted


@pytest.mark.parametrize(("new", "why"), [("up", "another step has the id 'up'"), ("Two Words", "cannot be an id")])
async def test_says_why_a_step_cannot_be_called_so(editor: Editor, new: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        await editor.rename(MAIN.replace("id: read", "id: re|ad"), new)


async def test_gives_the_outline(editor: Editor) -> None:
    assert await editor.outline(MAIN) == [
        "hil", "image", "build", "build.run", "boot", "boot.dut", "boot.up", "boot.read", "boot.log", "boot.log",
    ]  # fmt: skip
    broken = MAIN.replace("shell: cat", "shell: 'cat")
    assert "boot.up" in await editor.outline(broken)
    assert await editor.outline("exporters:\n  a: {export: {power: {type: power.virtual}}}\n", "lab.yaml") == [
        "a",
        "a.power",
    ]
