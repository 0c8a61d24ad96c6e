"""The JSON Schema: it accepts what the compiler accepts, and refuses most of what the compiler refuses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from flowrunner.errors import PipelineErrors
from flowrunner.lab.schema import schemas
from flowrunner.pipeline.schema import action_schema, pipeline_schema
from flowrunner.pipeline.shapes import examples
from flowrunner.plugins import load as load_plugin
from flowrunner.plugins import types
from flowrunner.source import load, parse, plain
from flowrunner.step import Step
from tests.flowrunner.pipeline.test_corpus import EXPECTED, FILES
from tests.flowrunner.pipeline.test_properties import GOOD, pipelines

ROOT = Path(__file__).parents[3]

UNSEEN = {
    # what a file alone cannot tell: names, values from outside, types of expressions, files
    "ambiguous-device", "bad-input", "duplicate-id", "duplicate-role", "expression-syntax", "missing-input",
    "missing-secret", "needless-device", "no-device", "secret-leak", "unavailable", "unknown-device", "unknown-filter",
    "call-cycle", "digest-mismatch", "bad-barrier", "needs-cycle", "race", "unknown-job", "unknown-matrix", "include-cycle", "no-templates", "unknown-template", "unreadable",
    "unknown-function", "unknown-input", "unknown-name", "unknown-output", "unknown-secret", "unknown-step",
    # what JSON Schema could say, with errors that nobody could read
    "bad-regex",
}  # fmt: skip
"""Codes that the schema does not have to see."""

UNSEEN_FILES = {
    "bad-id-2",  # a word of the language as an id
    "bad-value-3", "bad-value-7", "bad-value-9", "bad-value-14",  # rules between keys; a duration of zero
    "fixed-1", "fixed-2", "fixed-3",  # an expression in a text that is fixed
    "include-2", "include-3",  # what is wrong is in the included file
    "syntax-4",  # an expression that is not closed
    "parallel-2",  # which branch a step is in
    "jobs-2",  # names, and types of expressions
    "template-4", "template-5",  # what a selector in a template may use
    "template-3",  # a library with keys that only a pipeline has
    "unknown-key-9", "unknown-key-11", "unknown-key-14",  # keys that do not go together
    "wrong-type-9", "wrong-type-16", "wrong-type-17", "wrong-type-18", "wrong-type-19",  # types of expressions
}  # fmt: skip


@cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(pipeline_schema())


def complaints(data: Any) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator().iter_errors(data)]


def plain_file(path: Path) -> Any:
    root = load(path).root
    assert root is not None
    return plain(root)


@pytest.mark.parametrize("name", schemas())
def test_every_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(schemas()[name]())


@pytest.mark.parametrize(
    "path",
    [
        *(p for p in (ROOT / "pipelines").glob("*.yaml") if p.name != "lab.yaml"),
        *(ROOT / "pipelines/lib").glob("*.yaml"),
    ],
    ids=lambda path: path.stem,
)
def test_accepts_the_pipelines_of_this_repository(path: Path) -> None:
    assert complaints(plain_file(path)) == []


@pytest.mark.parametrize("name", types("flowrunner.steps"))
def test_accepts_the_examples_of_each_action(name: str) -> None:
    root = parse(examples(load_plugin("flowrunner.steps", Step, name)), name).root
    assert root is not None, "every action shows an example"
    assert complaints({"flow": 1, **plain(root)}) == []


def test_accepts_a_pipeline_with_everything_in_it() -> None:
    root = parse(GOOD, "good").root
    assert root is not None
    assert complaints(plain(root)) == []


@given(pipelines())
@settings(max_examples=30, deadline=None)
def test_accepts_what_the_compiler_accepts(text: str) -> None:
    root = parse(text, "test").root
    assert root is not None
    assert complaints(plain(root)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_refuses_what_the_compiler_refuses_apart_from_a_list(path: Path) -> None:
    try:
        data = plain_file(path)
    except PipelineErrors:
        return  # no YAML of ours: no schema ever sees it
    codes = {code for _, _, _, code, _ in EXPECTED.findall(path.read_text())}
    unseen = path.stem in UNSEEN_FILES or codes <= UNSEEN
    if path.stem in UNSEEN_FILES:
        assert not complaints(data), "it is seen now: take it off the list"
    assert unseen or complaints(data)


def test_every_typed_value_of_an_action_may_be_an_expression() -> None:
    for step in ({"wait": "${{ inputs.t }}"}, {"power": {"action": "read", "count": "${{ inputs.n }}"}}):
        assert complaints({"flow": 1, "steps": [step]}) == []
    assert complaints({"flow": 1, "steps": [{"power": {"action": "read", "count": "three"}}]})
    assert complaints({"flow": 1, "steps": [{"log": "a", "kind": "${{ inputs.kind }}"}]})


def test_an_action_has_its_help_its_defaults_and_its_examples() -> None:
    schema = action_schema("expect")
    assert schema["description"].startswith("Wait for text on the console.")
    assert "```" not in schema["description"]
    text, *_ = schema["anyOf"]
    assert "login: " in text["examples"]
    mapping = schema["then"]
    assert schema["if"] == {"type": "object"}
    assert mapping["properties"]["within"]["default"] == "1m"
    assert mapping["properties"]["within"]["description"] == "How long to wait. The default is `1m`."
    assert mapping["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines" / "exporters").glob("*.yaml")), ids=lambda path: path.stem)
def test_accepts_the_exporters_of_this_repository(path: Path) -> None:
    assert list(jsonschema.Draft7Validator(schemas()["exporter"]()).iter_errors(plain_file(path))) == []


def test_accepts_the_lab_of_this_repository() -> None:
    lab = plain_file(ROOT / "pipelines" / "lab.yaml")
    assert list(jsonschema.Draft7Validator(schemas()["lab"]()).iter_errors(lab)) == []


def test_every_reference_leads_somewhere_and_nothing_stands_beside_it() -> None:
    def look(schema: Any, definitions: Any) -> None:
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            assert schema.keys() == {"$ref"}, "draft 7 passes over what stands beside a reference"
            assert schema["$ref"].removeprefix("#/definitions/") in definitions
        for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            look(value, definitions)

    for make in schemas().values():
        whole = make()
        look(whole, whole["definitions"])
