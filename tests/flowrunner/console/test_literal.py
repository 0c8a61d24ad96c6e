"""The literal that every match must contain."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.console.literal import required_literal


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"U-Boot (?P<version>\S+)", "U-Boot "),
        (r"Kernel panic - not syncing: (?P<reason>.+)", "Kernel panic - not syncing: "),
        (r"^\[\s*\d+\.\d+\] Run /init$", "] Run /init"),
        (r"colou?r", "colo"),
        (r"ab+cd", "ab"),
        (r"x{3}yz", "yz"),
        (r"a\.b", "a.b"),
        (r"one|two", None),
        (r"(one|two) three", " three"),
        (r"(?i)panic", None),
        (r"(?i:panic) at", None),
        (r"\x41bc", None),
        (r"(?:foo){e<=1}", None),
        (r"[[:alpha:]]+x", None),
        (r".*", None),
    ],
)
def test_finds_the_longest_text_that_must_be_there(pattern: str, literal: str | None) -> None:
    assert required_literal(pattern) == literal


_ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        r"\.",
        ".",
        r"\d",
        "[ab]",
        "[^a]",
        "(ab)",
        "(?:a|b)",
        "(?P<n>b+)",
        "(?=a)",
        "^",
        "$",
        "|",
        r"\b",
        " ",
        "é",
    ]
)
_REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{0,1}", "+?", "*+", "{,2}"])


@given(st.lists(st.tuples(_ATOMS, _REPEATS), max_size=6), st.text("ab. 1é", max_size=12))
def test_every_match_contains_it(parts: list[tuple[str, str]], text: str) -> None:
    names = iter("pqrstuvw")
    pattern = "".join(atom.replace("<n>", f"<{next(names)}>") + repeat for atom, repeat in parts)
    try:
        compiled = regex.compile(pattern)
    except regex.error:
        return
    literal = required_literal(pattern)
    if literal and compiled.search(text):
        assert literal in text
