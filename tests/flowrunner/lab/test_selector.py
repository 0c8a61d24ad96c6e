import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import PipelineError, Span
from flowrunner.lab.selector import Requirement, parse

LABELS = {"board": "rpi4", "site": "berlin", "example.com/rev": "b1", "camera": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("  ", True),
        ("board=rpi4", True),
        ("board==rpi4", True),
        ("board = rpi5", False),
        ("board!=rpi5", True),
        ("arch!=arm", True),
        ("board in (rpi4, rpi5)", True),
        ("board in(rpi5,imx8)", False),
        ("board notin (rpi5)", True),
        ("arch notin (arm)", True),
        ("arch in (arm)", False),
        ("camera", True),
        ("camera=", True),
        ("reserved", False),
        ("!reserved", True),
        ("! camera", False),
        ("example.com/rev=b1", True),
        ("board=rpi4,!reserved,site in (oslo,berlin)", True),
        ("board=rpi4,reserved", False),
    ],
)
def test_selects_as_kubernetes_does(text: str, fits: bool) -> None:
    assert parse(text).matches(LABELS) is fits


@pytest.mark.parametrize(
    ("text", "at", "wanted", "got"),
    [
        ("board=rpi4,", 12, "a label", "the end"),
        ("board=rpi4 site=berlin", 12, "a comma or the end", "'site=berlin'"),
        ("=rpi4", 1, "a label", "'=rpi4'"),
        ("board in rpi4", 10, "'(' and a list of values", "'rpi4'"),
        ("board in (rpi4", 15, "a comma or ')'", "the end"),
        ("board>3", 6, "a comma or the end", "'>3'"),
        ("board=*", 7, "a value", "'*'"),
        ("!", 2, "a label", "the end"),
        ("a=b,,c", 5, "a label", "''"),
        (f"a={'x' * 64}", 3, "a value of at most 63 characters", f"'{'x' * 64}'"),
        ("UPPER.com/x=1", 1, "a label", "'UPPER.com/x=1'"),
    ],
)
def test_says_where_it_is_wrong(text: str, at: int, wanted: str, got: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(f"needs {wanted} at character {at}, got {got}")):
        parse(text)


@pytest.mark.parametrize("quote", ["", "'"])
def test_points_into_the_scalar(quote: str) -> None:
    text = "board=rpi4 x"
    where = Span("p.yaml", 3, 10, 3, 10 + len(text) + 2 * len(quote))
    with pytest.raises(PipelineError) as caught:
        parse(text, where)
    assert str(caught.value.where) == f"p.yaml:3:{10 + len(quote) + 11}"


words = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,5}[A-Za-z0-9])?", fullmatch=True)
values = st.one_of(st.just(""), words)
requirements = st.one_of(
    st.builds(Requirement, words, st.sampled_from(["exists", "absent"])),
    st.builds(Requirement, words, st.sampled_from(["in", "notin"]), st.frozensets(values, min_size=1, max_size=4)),
)
spaces = st.sampled_from(["", " ", "  "])


@given(st.lists(requirements, max_size=5), st.dictionaries(words, values, max_size=5), spaces)
def test_what_is_printed_means_the_same(wanted: list[Requirement], labels: dict[str, str], space: str) -> None:
    text = f"{space},{space}".join(str(requirement) for requirement in wanted)
    selector = parse(text)
    assert set(selector.requirements) == set(wanted)
    assert selector.matches(labels) is all(_model(requirement, labels) for requirement in wanted)


def _model(requirement: Requirement, labels: dict[str, str]) -> bool:
    """The table of the Kubernetes documentation, in other words."""
    value = labels.get(requirement.key)
    return {
        "in": value in requirement.values,
        "notin": value not in requirement.values,
        "exists": value is not None,
        "absent": value is None,
    }[requirement.operator]


@given(st.text(alphabet="ab=!,() in.-/_\té", max_size=12))
def test_any_text_is_a_selector_or_one_plain_error(text: str) -> None:
    try:
        selector = parse(text)
    except PipelineError as error:
        assert error.code == "bad-selector"
    else:
        assert parse(str(selector)) == selector
