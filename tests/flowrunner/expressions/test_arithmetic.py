"""Units stay through arithmetic, and the types that are known before the run are those of the run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import PipelineErrors, Span
from flowrunner.expressions import ExpressionError, parse
from flowrunner.expressions.arithmetic import kind_of
from flowrunner.model import Duration, Size, Version

VALUES: dict[str, Any] = {
    "d": Duration(10), "e": Duration(4), "s": Size(2048), "n": 3, "f": 1.5, "t": "abc", "v": Version("1.10"), "b": True,
    "l": [1, 2], "m": {"a": 1},
}  # fmt: skip
NAMES = {name: kind_of(value) for name, value in VALUES.items()}


def both(text: str) -> tuple[Any, str]:
    expression = parse("${{ " + text + " }}", Span("t", 1, 1, 1, len(text) + 8), names=NAMES)
    return expression.evaluate(VALUES), expression.type


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("d + e", Duration(14)), ("d - e", Duration(6)), ("d * 2", Duration(20)), ("2 * d", Duration(20)),
        ("d / 2", Duration(5)), ("d / e", 2.5), ("d // e", 2), ("d % e", Duration(2)), ("d // 3", Duration(3)),
        ("5 + d", Duration(15)), ("d + 5", Duration(15)), ("-d", Duration(-10)), ("+d", Duration(10)), ("-d | abs", Duration(10)),
        ("d | round", Duration(10)), ("(d / 3) | round(1)", Duration(3.3)), ("s / 2", Size(1024)), ("s // 3", Size(682)),
        ("s - 48", Size(2000)), ("-s", Size(-2048)), ("s / s", 1.0), ("n / 2", 1.5), ("n // 2", 1), ("n * f", 4.5),
        ("f | round", 2.0), ("n | round(0, 'ceil')", 3.0), ("1.2 | round(0, 'ceil')", 2.0), ("1.8 | round(0, 'floor')", 1.0),
        ("t + t", "abcabc"), ("t * 2", "abcabc"), ("l + [3]", [1, 2, 3]), ("'10s' | duration + d", Duration(20)),
        ("'7' | int", 7), ("'7.9' | int", 7), ("'ff' | int(base=16)", 255), ("'1e3' | float", 1000.0), ("'x' | int(5)", 5),
        ("'TRUE' | bool", True), ("v > '1.9'", True), ("n | string", "3"), ("b | string", "true"),
        ("n if b else f", 3), ("d > e", True), ("d == 10", True), ("n in l", False), ("'a' in m", True), ("'b' in t", True),
    ],
)  # fmt: skip
def test_values_and_types(text: str, wanted: object) -> None:
    value, kind = both(text)
    assert value == wanted
    assert type(value) is type(wanted)
    assert kind in (kind_of(wanted), "any")


def test_sums_keep_their_unit() -> None:
    assert repr(both("[d, e] | sum")[0]) == repr(Duration(14))
    assert both("[d, e] | max")[0] == Duration(10)
    assert both("[] | sum")[0] == 0
    assert both("[m, m] | sum(attribute='a')")[0] == 2


SIMPLE = st.sampled_from([*VALUES, "1", "2.5", "'x'", "[1]", "{}", "true"])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", "in", "not in"])


@given(SIMPLE, OPERATORS, SIMPLE)
def test_what_passes_the_check_is_of_the_type_that_was_said(left: str, operator: str, right: str) -> None:
    """D1.1: what is accepted before the run does not fail with a type error in it."""
    try:
        value, kind = both(f"{left} {operator} {right}")
    except PipelineErrors as several:
        assert {error.code for error in several.errors} == {"wrong-type"}
        text = "${{ " + f"{left} {operator} {right}" + " }}"
        if operator not in ("==", "!=", "<", "<="):  # these only say that it makes no sense
            with pytest.raises((ExpressionError, PipelineErrors)):
                parse(text, Span("t", 1, 1, 1, 9)).evaluate(VALUES)
        return
    assert kind in (kind_of(value), "any")
