"""Fitting a mapping to a model: strict types, one error that fits, expressions by their type."""

from __future__ import annotations

from pathlib import Path as File
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from flowrunner.expressions import Expression
from flowrunner.expressions import parse as parse_expression
from flowrunner.model import Duration, Model, SecretText, Type
from flowrunner.pipeline.fit import Fitter
from flowrunner.pipeline.marks import Path
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Scalar, parse


class Pattern(Model):
    pattern: str
    outcome: Literal["failed", "errored"] = "failed"


class Limits(Model):
    low: float = 0
    high: float = 10

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.low > self.high:
            raise ValueError("needs low below high")
        return self


class Everything(Model):
    count: int = 1
    ratio: float = 1.0
    flag: bool = False
    text: str = ""
    within: Duration | None = None
    word: Literal["on", "off"] = "on"
    region: tuple[int, int] = (0, 0)
    file: File | None = None
    either: str | list[Pattern] | None = None
    keep: dict[str, str] | Literal["keep"] = "keep"
    limits: Limits = Limits()
    env: dict[str, SecretText] = {}
    several: list[Annotated[int, Field(ge=0)]] = []


NAMES = {
    kind: kind for kind in ("string", "int", "float", "bool", "duration", "size", "list", "map", "any", "secret")
} | {"secrets": {"token": "secret"}}  # fmt: skip


def errors(text: str) -> list[str]:
    document = parse(text, "test")
    assert isinstance(document.root, Mapping)
    problems = Problems()

    def read(scalar: Scalar, path: Path) -> Expression:
        return parse_expression(str(scalar.value), scalar.where, source=text, names=NAMES)

    Fitter(problems, Everything, document.root, read, label="it", dynamic=True).fit()
    return [f"{error.where.short if error.where else '-'} {error.what}" for error in problems.found]


@pytest.mark.parametrize(
    "text",
    [
        "count: 3", "ratio: 3", "region: [1, 2]", "file: a/b", "either: a", "either: [{pattern: a}]", "keep: keep",
        "keep: {a: b}", "within: 5s", "several: [1, 2]", "limits: {low: 1}",
    ],
)  # fmt: skip
def test_takes_what_yaml_can_say(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("count: '3'", "1:8 count needs a whole number, got the text '3'"),
        ("count: 3.0", "1:8 count needs a whole number, got the number 3.0"),
        ("count: true", "1:8 count needs a whole number, got the boolean true"),
        ("flag: 1", "1:7 flag needs true or false, got the number 1"),
        ("text: 1.10", "1:7 text needs text, got the number 1.1"),
        ("text: null", "1:7 text needs text, got nothing"),
        ("region: [1, true]", "1:13 item 2 of region needs a whole number, got the boolean true"),
        ("word: 5", "1:7 word needs 'on' or 'off', got the number 5"),
        ("word: maybe", "1:7 word is one of on, off; got the text 'maybe'"),
        ("keep: 5", "1:7 keep needs a mapping or 'keep', got the number 5"),
        ("several: [1, -2]", "1:14 item 2 of several must be at least 0, got -2"),
        ("limits: {low: 5, high: 1}", "1:9 limits needs low below high"),
    ],
)
def test_says_what_it_needs_and_what_it_got(text: str, said: str) -> None:
    assert errors(text) == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("either: 5", "1:9 either needs text or a list, got the number 5"),
        ("either: [{patern: a}]", "1:11 item 1 of either has no key 'patern'"),
        ("either: [{pattern: a, outcome: no}]", "1:32 outcome is one of failed, errored; got the text 'no'"),
        ("either: [a]", "1:10 item 1 of either needs a mapping, got the text 'a'"),
    ],
)
def test_condenses_what_fits_no_shape_to_one_error(text: str, said: str) -> None:
    assert errors(text) == [said]


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("count", {"int", "size"}), ("ratio", {"int", "float", "duration", "size"}), ("flag", {"bool"}),
        ("text", {"string"}), ("within", {"duration", "string"}), ("word", {"string", "secret"}),
        ("several", {"list"}), ("limits", {"map"}),
    ],
)  # fmt: skip
def test_an_expression_fits_by_its_type(key: str, fits: set[Type]) -> None:
    for kind in ("string", "int", "float", "bool", "duration", "size", "list", "map"):
        found = errors(f"{key}: ${{{{ {kind} }}}}")
        if kind in fits and not (key == "within" and kind == "string"):
            assert found == [], kind
        else:
            assert len(found) == 1, kind
            assert "the expression gives" in found[0]
    assert errors(f"{key}: ${{{{ any }}}}") == []


def test_a_rule_between_keys_waits_when_only_a_sample_breaks_it() -> None:
    assert errors("limits: {low: '${{ float }}', high: 1}") == []
    assert errors("limits: {low: 5, high: 1, }\ntext: ${{ string }}") == ["1:9 limits needs low below high"]


def test_a_secret_flows_only_where_it_may() -> None:
    assert errors("env: {A: 'Bearer ${{ secrets.token }}'}") == []
    assert errors("text: ${{ secrets.token }}") == ["1:7 a secret may not flow into text"]
    assert errors("env: {A: '${{ int }}'}") == ["1:10 A needs text, the expression gives a whole number"]
