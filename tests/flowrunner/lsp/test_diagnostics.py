"""What is underlined, where, and when."""

from __future__ import annotations

import pytest

from tests.support.editor import Editor

pytestmark = pytest.mark.anyio

GOOD = "flow: 1\ndevices: {dut: board=x}\nsteps:\n  - id: boot\n    power: cycle\n"


async def test_says_all_that_the_compiler_says_each_at_its_place(editor: Editor) -> None:
    text = GOOD + "  - expect: {prompt: 'ü🙂', within: 10}\n  - log: 🙂 ${{ steps.bot.outcome }}\n"
    assert await editor.lines(text) == [
        "6:37-39 within needs a duration, got the number 10",
        "7:23-26 no step has the id 'bot' in this scope",
    ]
    (_, near) = await editor.problems(text)
    assert near.message.endswith("did you mean 'boot'? (defined at 4:9)")
    assert (near.code, near.source) == ("unknown-step", "flow")


async def test_says_nothing_when_nothing_is_wrong_any_more(editor: Editor) -> None:
    assert await editor.lines(GOOD + "  - powr: on\n") == ["6:5-9 there is no action 'powr'"]
    assert await editor.lines(GOOD) == []


async def test_looks_once_when_many_keys_are_struck(editor: Editor) -> None:
    await editor.problems(GOOD, "fast.yaml")
    before = editor.times("fast.yaml")
    for length in range(1, 30):
        editor.type(GOOD + "  - expect: {prompt: abcdefghijk"[:length], "fast.yaml")
    found = await editor.said("fast.yaml", before)
    assert editor.times("fast.yaml") == before + 1
    assert [one.code for one in found] == ["syntax"]


async def test_leads_through_includes_that_are_open_and_not_saved(editor: Editor) -> None:
    library = "flow: 1\ntemplates:\n  up:\n    steps:\n      - powr: on\n"
    (editor.folder / "lib.yaml").write_text("flow: 1\ntemplates: {up: {steps: [{log: x}]}}\n")
    text = "flow: 1\ninclude: {hil: lib.yaml}\nsteps:\n  - call: hil.up\n"
    assert await editor.lines(text, "main.yaml") == []
    assert await editor.lines(library, "lib.yaml") == ["5:9-13 there is no action 'powr'"]
    (found,) = await editor.problems(text + "\n", "main.yaml")
    assert found.message.startswith("lib.yaml:5:9: there is no action 'powr'")
    assert found.range.start.line == 1
    (there,) = found.related_information or ()
    assert (there.location.uri.rpartition("/")[2], there.location.range.start.line) == ("lib.yaml", 4)


async def test_looks_at_labs_and_exporters(editor: Editor) -> None:
    lab = "exporters:\n  a: {export: {power: {type: power.virtul}}}\n  b: {file: nowhere.yaml}\n"
    assert await editor.lines(lab, "lab.yaml") == ["3:13-25 there is no file 'nowhere.yaml'"]
    fixed = lab.replace("  b: {file: nowhere.yaml}\n", "")
    assert await editor.lines(fixed, "lab.yaml") == ["2:30-42 there is no driver 'power.virtul'"]
    exporter = "export:\n  power: {type: power.command, config: {of: x}}\n"
    assert any("'of'" in line for line in await editor.lines(exporter, "exporters/one.yaml"))


async def test_leaves_other_files_alone(editor: Editor) -> None:
    assert await editor.lines("services:\n  web: {image: x, image: y}\n", "compose.yaml") == []


async def test_asks_no_server_while_somebody_types(editor: Editor) -> None:
    text = "flow: 1\ninclude: {far: {git: 'file:///nowhere/at/all', ref: main, path: a.yaml}}\nsteps:\n  - powr: on\n"
    opened = [one.code for one in await editor.problems(text, "git.yaml")]
    assert "unreachable" in opened
    assert await editor.lines(text + "#", "git.yaml") == []
