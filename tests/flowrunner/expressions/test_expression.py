import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowrunner.errors import PipelineErrors, Span
from flowrunner.expressions import ANY, Expression, ExpressionError, Unavailable, parse
from flowrunner.model import Duration, Secret, Size, Version

NAMES: dict[str, Any] = {
    "inputs": {"budget": "duration", "text": "string", "n": "int", "flag": "bool", "size": "size"},
    "steps": {
        "boot": {"outcome": "string", "outputs": {"at": "duration", "items": "list"}},
        "later": Unavailable("the step 'later' runs later", "defined at 71:9"),
    },
    "env": ANY,
    "secrets": {"password": "secret"},
}
VALUES: dict[str, Any] = {
    "inputs": {"budget": Duration(25), "text": "1.10", "n": 3, "flag": True, "size": Size(2048)},
    "steps": {"boot": {"outcome": "passed", "outputs": {"at": Duration(3.5), "items": [1, 2]}}},
    "env": {"HOME": "/root"},
    "secrets": {"password": Secret("p+ss.w0rd")},
}


def read(text: str, *, checked: bool = True) -> Expression:
    where = Span("t.yaml", 1, 4, 1, 4 + len(text))
    return parse(text, where, source=f"k: {text}", names=NAMES if checked else None)


def run(text: str, **names: Any) -> Any:
    return read(text, checked=not names).evaluate({**VALUES, **names})


@given(st.text())
@example("1.10")
@example("007")
@example("off")
@example("52:54:00:12:34:56")
@example("1e3")
@example("null")
@example("0x10")
@example("${{ inputs.n }}")
@example("{{ 1 }}{% if x %}")
def test_a_value_comes_back_as_it_is_and_never_becomes_code(text: str) -> None:
    assert run("${{ x }}", x=text) == text
    assert run("a ${{ x }} b", x=text) == f"a {text} b"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_a_whole_expression_keeps_its_type(value: object) -> None:
    found = run("${{ x }}", x=value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "wanted", "kind"),
    [
        ("${{ inputs.budget - steps.boot.outputs.at }}", Duration(21.5), "duration"),
        ("${{ inputs.budget * 2 }}", Duration(50), "duration"),
        ("${{ inputs.budget / steps.boot.outputs.at > 7 }}", True, "bool"),
        ("within ${{ inputs.budget }} or ${{ inputs.size }}", "within 25s or 2KiB", "string"),
        ("${{ inputs.flag }} and ${{ inputs.n }}", "true and 3", "string"),
        ("${{ 'rc' not in inputs.text }}", True, "bool"),
        ("${{ inputs.text | version >= '1.9' }}", True, "bool"),
        ("${{ steps.boot.outputs.items }}", [1, 2], "list"),
        ("${{ steps.boot.outputs.items | join('-') }}", "1-2", "string"),
        ("${{ env.HOME | basename ~ '/x' }}", "root/x", "string"),
        ("${{ inputs['text'] }}", "1.10", "string"),
        ("${{ '{\"a\": 1}' | fromjson }}", {"a": 1}, "any"),
        ("${{ '${{' }}", "${{", "string"),
        ("${{ {'a': {'b': 1}}['a']['b'] }}", 1, "any"),
        ("${{ 'v=12' | regex_search('v=(.+)') }}", "12", "string"),
        ("${{ inputs.text is matches('^1') }}", True, "bool"),
        ("${{ inputs.n if inputs.flag else 0 }}", 3, "int"),
    ],
)
def test_values_and_types(text: str, wanted: object, kind: str) -> None:
    found = read(text)
    assert found.evaluate(VALUES) == wanted
    assert type(found.evaluate(VALUES)) is type(wanted)
    assert found.type == kind


PROBLEMS = {
    "${{ steps.promt.outputs.at }}": ("promt", "unknown-step"),
    "${{ steps.boot.outputs.ad }}": ("ad", "unknown-output"),
    "${{ steps.later.outputs.at }}": ("later", "unavailable"),
    "a ${{ inputs.budgt }} b": ("budgt", "unknown-input"),
    "${{ secrets.pasword }}": ("pasword", "unknown-secret"),
    "${{ nothing }}": ("nothing", "unknown-name"),
    "${{ inputs.text | lowr }}": ("lowr", "unknown-filter"),
    "${{ inputs.text is odt }}": ("odt", "unknown-test"),
    "${{ rnge(3) }}": ("rnge", "unknown-function"),
    "${{ inputs.text.zfill(9) }}": ("zfill", "unknown-method"),
    "${{ inputs.budget.real }}": ("real", "unknown-name"),
    "${{ inputs.text.__class__ }}": ("__class__", "unknown-name"),
    "x ${{ inputs.n ": ("${{", "syntax"),
    "${{  }}": ("  ", "expression-syntax"),
    "${{ 1 + }}": (" 1 + ", "expression-syntax"),
    "${{ 1 2 }}": (" 1 2 ", "expression-syntax"),
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_problems_are_found_before_the_run_at_their_very_place(text: str) -> None:
    word, code = PROBLEMS[text]
    with pytest.raises(PipelineErrors) as caught:
        read(text)
    (error,) = caught.value.errors
    assert error.where is not None
    assert error.code == code
    assert f"k: {text}"[error.where.column - 1 : error.where.end_column - 1] == word


def test_places_are_right_in_quotes_and_blocks() -> None:
    source = "a: 'it''s ${{ inputs.nn }}'\nb: >\n  folded\n  ${{ inputs.nn }}\n"
    for text, where, line, column in [
        ("it's ${{ inputs.nn }}", Span("t", 1, 4, 1, 29), 1, 22),
        ("folded ${{ inputs.nn }}\n", Span("t", 2, 4, 5, 1), 4, 14),
    ]:
        with pytest.raises(PipelineErrors) as caught:
            parse(text, where, source=source, names=NAMES)
        found = caught.value.errors[0].where
        assert found is not None
        assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "${{ 'a' * 50000000 }}", "${{ [1] * 50000000 }}", "${{ 9 ** 99999 }}", "${{ 2 ** 2 ** 99 }}",
        "${{ ('a' * 1000000) ~ ('a' * 1000000) }}", "${{ ('a' * 1000000) + ('a' * 1000000) }}",
        "${{ range(100000000) }}", "${{ ('a' * 1000000).replace('a', 'b' * 1000) }}",
        "${{ ('a' * 1000000) | replace('a', 'bbbb') }}", "${{ ('a' * 40 ~ 'b') | regex_search('(a|aa)+$') }}",
        "${{ 'x'.join(('a' * 1000000).split('b') * 3) }}", "${{ '%1000000000d' % 1 }}",
    ],
)  # fmt: skip
def test_every_expression_ends_within_its_limits(text: str) -> None:
    start = time.perf_counter()
    try:
        assert len(str(run(text))) <= 1 << 20
    except ExpressionError as error:
        assert error.where is not None
    assert time.perf_counter() - start < 2


def test_a_huge_tree_is_refused() -> None:
    for text in ("${{ " + "(" * 60 + "1" + ")" * 60 + " }}", "${{ " + "+".join("1" * 600) + " }}"):
        with pytest.raises(PipelineErrors, match=r"no expression|may have"):
            read("${{ " + "not " * 60 + "true }}" if "(" in text else text)


@given(st.text(alphabet="abc_.'\"|()[]{}%$+-*/ 0123456789~<>=!,:notinsteps", max_size=60))
@settings(max_examples=300)
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(PipelineErrors, ExpressionError):
        read("${{ " + text + " }}").evaluate(VALUES)


@pytest.mark.parametrize("text", ["${{ x._secret }}", "${{ x['_secret'] }}", "${{ x.real }}", "${{ ''.format }}"])
def test_attributes_of_objects_cannot_be_reached(text: str) -> None:
    class Thing:
        _secret = "hidden"
        real = "seen"

    with pytest.raises(ExpressionError):
        run(text, x=Thing())


def test_what_is_missing_at_run_time_says_so() -> None:
    with pytest.raises(ExpressionError, match="there is no 'outputs' here: known: outcome"):
        read("${{ steps.boot.outputs.at }}").evaluate({"steps": {"boot": {"outcome": "skipped"}}})


@pytest.mark.parametrize(
    ("value", "help"), [([1], "add | join(', ')"), ({}, "add | tojson"), (None, "add | default('')")]
)
def test_lists_mappings_and_null_do_not_go_into_text(value: object, help: str) -> None:
    with pytest.raises(ExpressionError, match="inside text") as caught:
        run("a ${{ x }}", x=value)
    assert caught.value.help == help


def test_a_secret_makes_all_it_touches_secret() -> None:
    for text in ("${{ secrets.password }}", "Bearer ${{ secrets.password }}", "${{ secrets.password | upper }}"):
        found = read(text)
        assert found.sensitive
        assert found.type == "secret"
        assert isinstance(found.evaluate(VALUES), Secret)


def test_versions_compare_by_their_numbers() -> None:
    assert Version("1.10") > "1.9"
    assert Version("2.0-rc1") < "2.0"
    assert Version("v1.2") == "v1.2"
