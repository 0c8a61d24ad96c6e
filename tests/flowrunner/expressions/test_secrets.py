"""What a secret flows into is secret."""

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import Span
from flowrunner.expressions import ExpressionError, parse
from flowrunner.model import Secret

VALUES: dict[str, Any] = {
    "secrets": {"password": Secret("p+ss.w0rd")},
    "steps": {
        "a": {"outputs": {"token": Secret("t0ken-t0ken"), "all": [{"x": Secret("deep-secret")}], "text": "plain"}}
    },
}


def run(text: str) -> Any:
    return parse(text, Span("t", 1, 1, 1, len(text) + 1)).evaluate(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "${{ secrets.password }}", "Bearer ${{ secrets.password }}", "${{ secrets['password'] | upper }}",
        "${{ steps.a.outputs.token }}", "x ${{ steps.a.outputs.token }}", "${{ steps.a.outputs.token | b64encode }}",
        "${{ steps.a.outputs.token[2:] }}", "${{ steps.a.outputs.token.upper() }}", "${{ 'x' ~ steps.a.outputs['token'] }}",
        "${{ steps.a.outputs.all | tojson }}", "${{ steps.a.outputs.all[0].x }}",
    ],
)  # fmt: skip
def test_text_with_a_secret_in_it_is_a_secret(text: str) -> None:
    assert type(run(text)) is Secret


def test_secrets_inside_lists_and_mappings_stay_secrets() -> None:
    assert all(type(part) is Secret for part in run("${{ secrets.password.split('.') }}"))
    (made,) = run("${{ [{'a': steps.a.outputs.token | lower}] }}")
    assert type(made["a"]) is Secret


@pytest.mark.parametrize("text", ["${{ steps.a.outputs.text }}", "${{ nothing | default('x') }}", "${{ 'a' }}"])
def test_other_text_is_no_secret(text: str) -> None:
    assert type(run(text)) is str


def test_only_what_names_a_secret_is_sensitive_before_the_run() -> None:
    def sensitive(text: str) -> bool:
        return parse(text, Span("t", 1, 1, 1, len(text) + 1)).sensitive

    assert sensitive("a ${{ 1 }} ${{ secrets.password | length }}")
    assert not sensitive("${{ steps.secrets.outputs.x ~ 'secrets.password' }}")


@given(st.text(min_size=1))
def test_a_secret_is_never_printed_by_accident(text: str) -> None:
    names = {"secrets": {"x": Secret(text)}}
    value = parse("${{ [secrets.x] }}", Span("t", 1, 1, 1, 19)).evaluate(names)
    assert repr(value) == "[Secret('***')]"


@pytest.mark.parametrize(
    "text",
    [
        "${{ secrets.password | int }}", "${{ steps.a.outputs.token | upper | duration }}", "${{ {}[secrets.password] }}",
        "${{ 'x' | regex_search('(' ~ secrets.password) }}", "${{ [secrets.password] | map('lower') | map('float') }}",
    ],
)  # fmt: skip
def test_no_error_tells_a_secret(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        run(text)
    error: BaseException = caught.value
    told = "".join(traceback.format_exception(error)).lower()
    assert "0rd" not in told and "t0ken" not in told
