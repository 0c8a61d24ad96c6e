import random

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.image.fingerprint import WINDOW, Comparison, Fingerprint


def written(*runs: tuple[int, bytes | None, int]) -> Fingerprint:
    """A fingerprint of runs: offset, data or None for zeros, length."""
    found = Fingerprint()
    for offset, data, length in runs:
        found.add(offset, length, data)
    return found


@given(cuts=st.lists(st.integers(1, 2 * WINDOW), max_size=8), seed=st.integers(0, 99))
def test_how_the_content_is_cut_means_nothing(cuts: list[int], seed: int) -> None:
    content = random.Random(seed).randbytes(1000) + bytes(WINDOW) + b"end"
    comparison = Comparison(written((0, content[:1000], 1000), (1000, None, WINDOW), (1000 + WINDOW, b"end", 3)))
    at = 0
    for cut in sorted({min(cut, len(content)) for cut in cuts} | {len(content)}):
        comparison.add(content[at:cut])
        at = cut
    assert comparison.difference() is None


def test_names_the_window_that_differs() -> None:
    comparison = Comparison(written((0, None, 3 * WINDOW)))
    comparison.add(bytes(2 * WINDOW - 1) + b"x" + bytes(WINDOW))
    assert comparison.difference() == (WINDOW, 2 * WINDOW)


def test_what_is_between_the_ranges_does_not_matter() -> None:
    comparison = Comparison(written((10, b"a" * 10, 10), (100, b"b" * 10, 10)))
    comparison.add(b"?" * 10 + b"a" * 10 + b"?" * 80 + b"b" * 10 + b"?")
    assert comparison.difference() is None


def test_too_little_is_a_difference() -> None:
    comparison = Comparison(written((0, b"ab", 2)))
    comparison.add(b"a")
    assert comparison.difference() == (0, WINDOW)
