"""What the owner of a bench sees in an editor: lab files and exporter files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.bench.config import Entry, Exporter
from flowrunner.driver import Driver
from flowrunner.lab.config import LabEntry
from flowrunner.pipeline.marks import key_of
from flowrunner.plugins import load, types
from tests.editor.client import ROOT, Editor

pytestmark = [pytest.mark.anyio, pytest.mark.editor]

LAB = "# yaml-language-server: $schema=../schemas/lab.json\n"
EXPORTER = "# yaml-language-server: $schema=../schemas/exporter.json\n"
DRIVERS: dict[str, type[Driver[Any]]] = {n: load("flowrunner.drivers", Driver, n) for n in types("flowrunner.drivers")}


def part_of_a_bench(part: str) -> str:
    return f"{EXPORTER}export:\n  part: {part}\n"


async def test_finds_nothing_wrong_with_our_lab(editor: Editor) -> None:
    assert await editor.problems(LAB + (ROOT / "pipelines" / "lab.yaml").read_text()) == []


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines" / "exporters").glob("*.yaml")), ids=lambda path: path.stem)
async def test_finds_nothing_wrong_with_our_exporters(editor: Editor, path: Path) -> None:
    assert await editor.problems(EXPORTER + path.read_text()) == []


@pytest.mark.parametrize(
    "part",
    [
        "{type: jumpstarter_driver_power.driver.MockPower}",
        "{type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: /dev/ttyUSB0}}",
        "{type: jumpstarter_driver_composite.driver.Proxy, config: {ref: a.b}}",
        "{type: power.virtual, config: null}",
        "{ref: a.b}",
        "{children: {a: {type: power.virtual}, b: {ref: part.a}}}",
    ],
)
async def test_finds_nothing_wrong_with_parts_that_can_be_made(editor: Editor, part: str) -> None:
    assert await editor.problems(part_of_a_bench(part)) == []


PART_MISTAKES = {
    "{tpe: power.virtual}": "3:10 Property tpe is not allowed.",
    "{type: power.virtual, config: {volt: 5}}": "3:40 Property volt is not allowed.",
    "{type: power.virtual, config: {volts: high}}": '3:47 Incorrect type. Expected "number".',
    "{type: power.virtual, config: {interval: 5x}}": "3:50 a duration has a unit, such as 10s or 10m",
    "{type: power.virtual, config: {faults: [{cal: on}]}}": "3:50 Property cal is not allowed.",
    "{type: jumpstarter_driver_power.driver.MockPower, config: {volt: 5}}": "3:68 Property volt is not allowed.",
    "{type: console.serial}": "3:3 console.serial needs a config with url",
    "{type: console.serial, config: {}}": '3:32 Missing property "url".',
    "{ref: a, type: power.virtual}": "3:18 a ref goes with no type, config or children",
    "{config: {}}": "3:3 a part has a type, or children, or a ref",
    "{children: {a: {type: power.virtual, config: {volt: 5}}}}": "3:55 Property volt is not allowed.",
}


@pytest.fixture(scope="module")
async def opened(editor: Editor) -> Editor:
    """All of them are open, so that the server's pauses before it looks at them pass together."""
    for text in (*(part_of_a_bench(part) for part in PART_MISTAKES), *(f"{LAB}{text}\n" for text in LAB_MISTAKES)):
        await editor.open(text)
    return editor


@pytest.mark.parametrize("part", PART_MISTAKES)
async def test_underlines_one_thing_for_one_mistake_in_a_part(opened: Editor, part: str) -> None:
    assert await opened.problems(part_of_a_bench(part)) == [PART_MISTAKES[part]]


async def test_names_the_drivers_when_there_is_none_of_that_type(editor: Editor) -> None:
    (problem,) = await editor.problems(part_of_a_bench("{type: power.virtul}"))
    assert problem.startswith("3:16 Value is not accepted. Valid values: ")
    assert all(f'"{name}"' in problem for name in DRIVERS)


LAB_MISTAKES = {
    "exporter: {}": "2:1 Property exporter is not allowed.",
    "exporters: {a: {fil: a.yaml}}": "2:17 Property fil is not allowed.",
    "exporters: {a: {file: a.yaml, labels: {a: 1}}}": '2:43 Incorrect type. Expected "string".',
    "exporters: {a: {file: a.yaml, export: {}}}": "2:31 an exporter has one of file, export and endpoint",
    "exporters: {a: {labels: {a: b}}}": "2:13 an exporter has one of file, export and endpoint",
    "exporters: {a: {endpoint: 'h:1', passphrase: {evn: A}}}": "2:47 Property evn is not allowed.",
    "exporters: {a: {endpoint: 'h:1', passphrase: 1234}}": "2:46 text or a mapping belongs here",
    "exporters: {a: {file: a.yaml, tls: {insecure: true}}}": "2:13 tls goes with an endpoint",
    "exporters: {a: {export: {p: {type: power.virtual, config: {volt: 5}}}}}": "2:60 Property volt is not allowed.",
}


@pytest.mark.parametrize("text", LAB_MISTAKES)
async def test_underlines_one_thing_for_one_mistake_in_a_lab(opened: Editor, text: str) -> None:
    assert await opened.problems(f"{LAB}{text}\n") == [LAB_MISTAKES[text]]


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (f"{EXPORTER}|", {key_of(name, field) for name, field in Exporter.model_fields.items()}),
        (f"{EXPORTER}export:\n  p:\n    |", Entry.model_fields.keys()),
        (f"{EXPORTER}export:\n  p:\n    type: |", {*DRIVERS, "composite", "proxy"}),
        (f"{LAB}exporters:\n  a:\n    |", LabEntry.model_fields.keys()),
        (f"{LAB}exporters:\n  a:\n    export:\n      p:\n        type: |", {*DRIVERS, "composite", "proxy"}),
    ],
)
async def test_offers_what_fits_and_no_noise(editor: Editor, file: str, wanted: set[str]) -> None:
    offered = await editor.offers(f"{file}\n")
    assert offered.keys() == wanted
    assert all(item.help for item in offered.values())


@pytest.mark.parametrize("name", DRIVERS)
async def test_offers_the_keys_of_the_driver_that_was_chosen(editor: Editor, name: str) -> None:
    offered = await editor.offers(f"{EXPORTER}export:\n  p:\n    type: {name}\n    config:\n      |\n")
    assert offered.keys() == DRIVERS[name].config_model().model_fields.keys()
    assert all(item.help for item in offered.values())


async def test_shows_the_help_of_a_driver_and_of_its_keys(editor: Editor) -> None:
    part = "export:\n  p:\n    type: power.virtual\n    config:\n      volts: 5\n"
    assert "Remembers whether it is on." in await editor.hover(EXPORTER + part.replace("power", "po|wer", 1))
    assert "Volts that are measured while it is on." in await editor.hover(EXPORTER + part.replace("volts", "vol|ts"))
