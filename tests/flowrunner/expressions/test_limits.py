"""Any expression ends within fixed limits (D1.10)."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.errors import PipelineErrors, Span
from flowrunner.expressions import ExpressionError, parse

VALUES = {"text": "abc", "long": "a" * 1_000_000, "list": [1, "b", None], "map": {"a": {"b": 1}}, "n": 7}


def run(text: str) -> object:
    return parse(text, Span("t", 1, 1, 1, len(text) + 1)).evaluate(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "${{ 'a' * 50000000 }}", "${{ [1] * 50000000 }}", "${{ 9 ** 99999 }}", "${{ 2 ** 2 ** 99 }}",
        "${{ ('a' * 1000000) ~ ('a' * 1000000) }}", "${{ ('a' * 1000000) + ('a' * 1000000) }}",
        "${{ range(100000000) }}", "${{ ('a' * 1000000).replace('a', 'b' * 1000) }}",
        "${{ ('a' * 1000000) | replace('a', 'bbbb') }}", "${{ ('a' * 40 ~ 'b') | regex_search('(a|aa)+$') }}",
        "${{ 'x'.join(('a' * 1000000).split('b') * 3) }}",
        "${{ 1.5 | round(100000000, 'ceil') }}", "${{ 5 | round(-100000000) }}",
        "${{ [[[1] * 1000] * 1000] * 1000 }}", "${{ [['a' * 1000000] * 1000] | tojson }}",
        "${{ [long, long, long] | map('replace', 'a', long) }}", "${{ [[long, long], [long, long]] }}",
        "${{ range(100000) | map('string') | map('replace', '1', long) }}",
        "${{ range(100000) | map('string') | map('regex_search', '(x+x+)+y') }}",
        "${{ (('x' * 30 ~ ' ') * 1000).split() | map('regex_search', '(x+x+)+y') }}",
        "${{ range(99999)" + " | map('string')" * 40 + " }}",
        "${{ range(99999) | select('in', range(99999)) }}", "${{ long | regex_findall('') | length }}",
        "${{ long | regex_search('" + "(a?){1,1000}" * 80 + "z') }}",
        "${{ " + "long ~ " * 200 + "long }}", "${{ (long ~ '9') | int }}", "a ${{ long }} ${{ long }}",
    ],
)  # fmt: skip
def test_every_expression_ends_within_its_limits(text: str) -> None:
    start = time.perf_counter()
    try:
        assert len(str(run(text))) <= 1 << 20
    except ExpressionError as error:
        assert error.where is not None
    except PipelineErrors as several:
        assert several.errors[0].code == "expression-syntax"
    assert time.perf_counter() - start < 6


@pytest.mark.parametrize(
    "text",
    [
        "(" * 60 + "1" + ")" * 60,
        "+".join("1" * 600),
        "not " * 60 + "true",
        "(" * 4000,
        "[" * 4000,
        "-" * 4000 + "1",
        "1" * 10_001,
    ],
)
def test_a_huge_expression_is_refused(text: str) -> None:
    if text.startswith("((((") and text.endswith("))))"):
        assert run("${{ " + text + " }}") == 1  # brackets leave nothing in the tree
        return
    with pytest.raises(PipelineErrors) as caught:
        run("${{ " + text + " }}")
    assert caught.value.errors[0].code in ("expression-syntax", "syntax")


TERMS = st.sampled_from(
    ["text", "long", "list", "map", "n", "map.a", "1", "'x'", "[1, 2]", "none", "true", "1.5", "range(9)"]
)
FILTERS = st.sampled_from([
    "upper", "join", "length", "int", "round(9)", "list", "map('string')", "sort", "tojson", "first", "unique", "sum",
    "replace('a', 'bb')", "lines", "split('a')", "regex_findall('a*')", "string", "default(1)", "select", "dictsort",
    "b64encode", "quote", "abs", "items", "map('upper')", "reverse", "title", "fromjson", "duration", "version", "trim",
])  # fmt: skip
EXPRESSIONS = st.recursive(
    TERMS,
    lambda inner: (
        st.tuples(inner, FILTERS).map("(({0[0]}) | {0[1]})".format)
        | st.tuples(
            inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or"]), inner
        ).map("({0[0]} {0[1]} {0[2]})".format)
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
@settings(max_examples=60, deadline=6000)
def test_any_combination_gives_plain_bounded_data_or_one_error(text: str) -> None:
    try:
        value = run("${{ " + text + " }}")
    except (ExpressionError, PipelineErrors):
        return
    assert value is None or isinstance(value, bool | int | float | str | list | dict)
    assert not isinstance(value, str | list) or len(value) <= 1 << 20


@given(st.text(alphabet="abc_.'\"|()[]{}%$+-*/ 0123456789~<>=!,:notinsteps\\", max_size=60))
@settings(max_examples=300)
def test_errors_lie_inside_the_scalar(text: str) -> None:
    whole = "x ${{ " + text + " }} y"
    try:
        run(whole)
    except PipelineErrors as several:
        places = [error.where for error in several.errors]
    except ExpressionError as error:
        places = [error.where]
    else:
        return
    for where in places:
        assert where is not None
        assert 1 <= where.column < where.end_column <= len(whole) + 1
