"""The schema of one pipeline knows what it can call, and what stands in its devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from flowrunner.pipeline.own_schema import own_schema
from flowrunner.source import load, plain
from tests.support.flow import Workplace

ROOT = Path(__file__).parents[3]
PIPELINES = sorted(path for path in (ROOT / "pipelines").rglob("*.yaml") if "flow: 1" in path.read_text())

LIBRARY = """
flow: 1
templates:
  boot:
    inputs:
      within: {type: duration}
      mode: {type: string, choices: [fast, slow], default: fast}
      tries: {type: int, default: 3}
      image: {type: file, required: false}
      token: {type: secret, required: false}
    devices: {board: {requires: [console]}}
    steps: [{expect: {pattern: x, within: "${{ inputs.within }}"}}]
  plain: {steps: [{log: hello}]}
"""

PIPELINE = """
flow: 1
include: {hil: lib.yaml}
devices: {node: {selector: board=rpi4, count: 2}, ap: board=ap}
templates: {own: {steps: [{log: hello}]}}
steps:
  - group:
      - CALL
  - lease: {devices: {late: board=x}, steps: [{power: cycle, device: late}]}
  - {power: cycle, on: node}
"""


def errors(folder: Path, call: str) -> list[str]:
    (folder / "lib.yaml").write_text(LIBRARY)
    path = folder / "p.yaml"
    path.write_text(PIPELINE.replace("CALL", call))
    schema = own_schema(path, {}, ["board=rpi4"])
    Draft7Validator.check_schema(schema)
    root = load(path).root
    assert root is not None
    return [error.message for error in Draft7Validator(schema).iter_errors(plain(root))]


@pytest.mark.parametrize(
    "call",
    [
        "{call: hil.boot, with: {within: 3s}, devices: {board: node1}}",
        "{call: hil.boot, with: {within: '${{ inputs.x }}', tries: '${{ inputs.n }}', mode: slow, token: '${{ secrets.t }}'}}",
        "{call: hil.plain}",
        "{call: hil.plain, with: {}}",
        "{call: own, timeout: 5s}",
    ],
)
def test_accepts_what_the_template_takes(tmp_path: Path, call: str) -> None:
    assert errors(tmp_path, call) == []


@pytest.mark.parametrize(
    "call",
    [
        "{call: hil.bot}",
        "{call: boot}",
        "{call: hil.boot}",
        "{call: hil.boot, with: {within: 3s, x: 1}}",
        "{call: hil.boot, with: {within: 3}}",
        "{call: hil.boot, with: {within: 3s, tries: some}}",
        "{call: hil.boot, with: {within: 3s, mode: medium}}",
        "{call: hil.boot, with: {within: 3s}, devices: {bord: node1}}",
        "{call: own, with: {x: 1}}",
    ],
)
def test_refuses_what_it_does_not(tmp_path: Path, call: str) -> None:
    assert errors(tmp_path, call) != []


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: str(path.relative_to(ROOT / "pipelines")))
def test_accepts_the_pipelines_that_are_shipped(path: Path) -> None:
    root = load(path).root
    assert root is not None
    assert list(Draft7Validator(own_schema(path, {})).iter_errors(plain(root))) == []


def test_devices_and_selectors_are_offered(tmp_path: Path) -> None:
    errors(tmp_path, "{call: own}")
    parts: dict[str, Any] = own_schema(tmp_path / "p.yaml", {}, ["site=b", "board=rpi4"])["definitions"]
    assert parts["step.device"]["anyOf"][0] == {"enum": ["ap", "late", "node1", "node2"]}
    assert parts["device"]["properties"]["selector"]["anyOf"][0] == {"enum": ["board=rpi4", "site=b"]}


def test_a_pipeline_with_a_mistake_elsewhere_has_its_schema_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text(LIBRARY)
    text = "flow: 1\ninclude: {hil: lib.yaml, gone: gone.yaml}\nsteps: [{powr: on}]\n"
    (tmp_path / "p.yaml").write_text(text)
    assert own_schema(tmp_path / "p.yaml", {})["definitions"]["call"]["enum"] == ["hil.boot", "hil.plain"]


def test_the_command_writes_it_and_says_how_a_pipeline_begins(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    (tmp_path / "lib.yaml").write_text(LIBRARY)
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("CALL", "{call: own}"))
    done = place.flow("schema", "--write", "schemas", "--for", "p.yaml")
    assert done.returncode == 0, done.stderr
    assert b"p.yaml begins with: # yaml-language-server: $schema=schemas/for/p.json" in done.stdout
    schema = json.loads((tmp_path / "schemas/for/p.json").read_text())
    assert schema["definitions"]["call"]["enum"] == ["own", "hil.boot", "hil.plain"]
    assert (tmp_path / "schemas/pipeline.json").exists()
    assert {"enum": ["board=lamp"]} in schema["definitions"]["device"]["properties"]["selector"]["anyOf"]
    printed = place.flow("schema", "--for", "p.yaml")
    assert json.loads(printed.stdout) == schema
