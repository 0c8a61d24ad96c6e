from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.lab.matching import match

exporters = st.sampled_from("abcd")


@given(st.dictionaries(st.sampled_from(["r1", "r2", "r3"]), st.lists(exporters, unique=True, max_size=4)))
def test_finds_a_choice_for_all_exactly_when_there_is_one(choices: dict[str, list[str]]) -> None:
    possible = any(
        all(exporter in choices[role] for role, exporter in zip(choices, order, strict=False))
        for order in permutations("abcd", len(choices))
    )
    found = match(choices)
    assert (found is not None) is possible
    if found is not None:
        assert set(found) == set(choices)
        assert len(set(found.values())) == len(choices)
        assert all(found[role] in choices[role] for role in choices)


def test_prefers_what_comes_first() -> None:
    assert match({"dut": ["b", "a"]}) == {"dut": "b"}
