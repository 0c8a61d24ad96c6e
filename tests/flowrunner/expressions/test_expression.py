from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
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
    "${{ 1 + }}": ("}}", "expression-syntax"),
    "${{ (1 }}": ("}}", "expression-syntax"),
    "${{ 1 2 }}": ("2", "expression-syntax"),
    "${{ inputs.n = 1 }}": ("=", "expression-syntax"),
    "${{ inputs.n & 1 }}": ("&", "expression-syntax"),
    "${{ {% if inputs.n %} }}": ("%", "expression-syntax"),
    "${{ 9" + "9" * 4400 + " }}": ("9" * 4401, "expression-syntax"),
    "${{ inputs.text is not odt }}": ("odt", "unknown-test"),
    "${{ inputs.text | first.foo }}": ("first.foo", "unknown-filter"),
    "${{ inputs.text | join('a', 'b', 'c') }}": ("join", "bad-arguments"),
    "${{ inputs.n is divisibleby }}": ("divisibleby", "bad-arguments"),
    "${{ steps.boot.outputs.items | map('uper') }}": ("'uper'", "unknown-filter"),
    "${{ steps.boot.outputs.items | selectattr('a', 'equals', 1) }}": ("'equals'", "unknown-test"),
    "${{ (1 if inputs.text is odd else 2) | strin }}": ("strin", "unknown-filter"),
    "${{ inputs.n == null }}": ("null", "unknown-name"),
    "a ${{ inputs.budget + inputs.text }}": ("inputs.budget + inputs.text", "wrong-type"),
    "${{ inputs.n == '3' }}": ("inputs.n == '3'", "wrong-type"),
    "${{ inputs.budget < inputs.size }}": ("inputs.budget < inputs.size", "wrong-type"),
    "${{ inputs.n in inputs.text }}": ("inputs.n in inputs.text", "wrong-type"),
    "${{ -inputs.text }}": ("-inputs.text", "wrong-type"),
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_problems_are_found_before_the_run_at_their_very_place(text: str) -> None:
    word, code = PROBLEMS[text]
    with pytest.raises(PipelineErrors) as caught:
        read(text)
    (error,) = caught.value.errors
    assert error.where is not None
    assert error.code == code
    assert error.help
    assert f"k: {text}"[error.where.column - 1 : error.where.end_column - 1] == word


def test_several_problems_come_together() -> None:
    with pytest.raises(PipelineErrors) as caught:
        read("${{ inputs.a + inputs.b | lowr }} and ${{ 1 + }}")
    assert [error.code for error in caught.value.errors] == [
        "unknown-input", "unknown-input", "unknown-filter", "expression-syntax",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("${{ inputs.flag && inputs.flag }}", "write 'and'"), ("${{ inputs.flag || inputs.flag }}", "write 'or'"),
        ("${{ !inputs.flag }}", "write 'not'"), ("${{ inputs.n = 3 }}", "write '==' to compare"),
        ("${{ $x }}", "names stand without $"), ("${{ inputs.n == null }}", "write none, or put it in quotes"),
        ("${{ inputs.text | join(1, 2, 3) }}", "write it as join([separator])"),
        ("${{ {% if inputs.n %} }}", "statements exist only in the files of the action template"),
    ],
)  # fmt: skip
def test_people_from_other_languages_are_helped(text: str, help: str) -> None:
    with pytest.raises(PipelineErrors) as caught:
        read(text)
    assert caught.value.errors[0].help == help


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
    names = {"steps": {"boot": {"outcome": "skipped"}}, "env": {"HOME": "/root"}}
    with pytest.raises(ExpressionError, match="the step 'boot' has no 'outputs': it ended as skipped") as caught:
        read("1 ${{ steps.boot.outputs.at }}").evaluate(names)
    assert caught.value.where is not None
    assert (caught.value.where.column, caught.value.where.end_column) == (21, 28)
    with pytest.raises(ExpressionError, match="there is no 'HOM' here") as caught:
        read("${{ env.HOM }}").evaluate(names)
    assert caught.value.help == "did you mean 'HOME'?"


@pytest.mark.parametrize("text", ["${{ x.a.b.c | default('d') }}", "${{ none | default('d') }}", "${{ y | d('d') }}"])
def test_default_stands_in_for_what_is_missing_or_null(text: str) -> None:
    assert run(text, x={}) == "d"


@pytest.mark.parametrize(
    "text",
    [
        "${{ [y] }}", "${{ {'a': y} }}", "${{ 1 if x > 2 }}", "a ${{ 1 if x > 2 }}", "${{ [{}] | map(attribute='a') }}",
        "${{ y }}", "${{ y.z }}", "${{ x.z }}", "${{ [1][3] }}", "${{ y + 1 }}", "${{ -y }}",
    ],
)  # fmt: skip
def test_what_is_not_there_never_goes_on_as_a_value(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        run(text, x=1)
    assert caught.value.code == "undefined"


@pytest.mark.parametrize(
    "text",
    [
        "${{ 'x' | int }}", "${{ 'x' | float }}", "${{ 'yes' | bool }}", "${{ x < 'a' }}", "${{ 1 in x }}",
        "${{ x | length }}", "${{ x | items }}", "${{ x | dictsort }}", "${{ [1, 'a'] | sort }}", "${{ {[]: 1} }}",
        "${{ '(' | regex_search('(') }}", "${{ '{' | fromjson }}", "${{ ('[' * 99999) | fromjson }}", "${{ x / 0 }}",
        "${{ 'NaN' | fromjson }}", "${{ '****' | b64decode }}", "${{ (-8) ** 0.5 }}", "${{ range(1, 2, 0) }}",
        "${{ ''.upper }}", "${{ range }}", "${{ x + 'a' }}", "${{ '%d' % x }}", "${{ x() }}", "${{ self }}",
        "${{ 'aaaa' | regex_search('a', 5) }}", "${{ 1.5 | round(99999999, 'ceil') }}",
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_error(text: str) -> None:
    with pytest.raises((ExpressionError, PipelineErrors)) as caught:
        run(text, x=5)
    error = caught.value.errors[0] if isinstance(caught.value, PipelineErrors) else caught.value
    assert error.where is not None
    assert not any(word in error.what for word in ("'str'", "NoneType", "object", "instance", "Error"))


def test_the_end_of_a_block_scalar_is_no_text_and_the_end_of_a_quoted_one_is() -> None:
    block = "k: |\n  ${{ x }}\n"
    assert parse("${{ x }}\n", Span("t", 1, 4, 3, 1), source=block).evaluate({"x": [1]}) == [1]
    quoted = 'k: "${{ x }}\\n"\n'
    assert parse("${{ x }}\n", Span("t", 1, 4, 1, 16), source=quoted).evaluate({"x": "reboot"}) == "reboot\n"


def test_a_backslash_in_a_pattern_stays() -> None:
    assert run(r"${{ x | regex_search('v(\d+)\.') }}", x="v12.3") == "12"
    assert run(r"${{ 'a\tb\x41\u0042\\' }}", x=1) == "a\tbAB\\"


def test_a_key_wins_over_a_method() -> None:
    assert run("${{ x.items ~ x.keys ~ x['get'] }}", x={"items": 1, "keys": 2, "get": 3}) == "123"


def test_filters_that_apply_others_give_lists() -> None:
    assert run("${{ x | map('upper') }}", x=["a", "b"]) == ["A", "B"]
    assert run("${{ x | select('gt', 1) | map('string') | join(' ') }}", x=[1, 2, 3]) == "2 3"


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


def around(word: str) -> st.SearchStrategy[str]:
    """Expressions in which `word` is once a filter or a test, among others that are right."""
    good = st.sampled_from(
        ["env.a", "1", "'is | x'", "[env.b | first]", "env.c is none", "env.d is not in [1]", "-1 | abs"]
    )
    bad = st.sampled_from(
        [f"1 | {word}", f"env.x is {word}", f"env.x is not {word}", f"[1] | map('x'.join(['y' | {word}]))"]
    )
    shapes = [
        "{0} if {1} else {2}", "{0} if {1} is odd else {2}", "[{0}, {1}, {2}]", "{{'is': {0}, 'b': {1} | list}}",
        "range({0} | int, {1})", "{0} ~ {1} | upper", "{0} | default({1}) | replace({2}, 'x')", "{0} is sameas({1})",
        "{0} < {1} is defined", "not {0} and {1} or {2} is string", "env[{0}][{1}]", "env.list[{0}:{1}]", "env.is | d({0})",
    ]  # fmt: skip

    def shaped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(st.sampled_from(shapes), inner, good, st.permutations([0, 1, 2])).map(
            lambda drawn: drawn[0].format(*[f"({(drawn[1], drawn[2], '2 | float')[index]})" for index in drawn[3]])
        )

    return shaped(bad) | shaped(shaped(bad))


@given(around("zzz"))
@settings(max_examples=300)
def test_a_misspelt_filter_is_found_wherever_it_stands(text: str) -> None:
    assume("zzz" in text)
    with pytest.raises(PipelineErrors) as caught:
        read("${{ " + text + " }}")
    (error,) = caught.value.errors
    assert error.code in ("unknown-filter", "unknown-test")
    assert error.where is not None
    assert ("k: ${{ " + text + " }}")[error.where.column - 1 : error.where.end_column - 1] == "zzz"
