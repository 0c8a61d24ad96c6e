"""Who gets what: one choice for each, no choice twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def match(choices: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """For each key one of its choices, all different, early ones preferred; None when that cannot be.

    Augmenting paths (Kuhn): a key whose choices are taken asks their holders to take another.
    """
    taken: dict[str, str] = {}

    def place(key: str, seen: set[str]) -> bool:
        for choice in choices[key]:
            if choice in seen:
                continue
            seen.add(choice)
            if choice not in taken or place(taken[choice], seen):
                taken[choice] = key
                return True
        return False

    if not all(place(key, set()) for key in choices):
        return None
    return {key: choice for choice, key in taken.items()}
