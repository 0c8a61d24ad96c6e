"""The limits within which every expression ends."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

LONGEST = 10_000
"""Characters of one expression."""

MOST_NODES = 500
"""Nodes of one expression's tree."""

DEEPEST = 40
"""Levels of it."""

LARGEST = 1 << 20
"""Characters or items of any value."""

WIDEST = 4096
"""Bits of any whole number."""

PATTERN_TIME = 0.5
"""Seconds that a regular expression may search."""


class TooLarge(Exception):
    """An expression that would make more than it may."""


def bounded(value: Any) -> Any:
    """`value`, when it is small enough.

    Raises:
        TooLarge: it is not.
    """
    if isinstance(value, Sized) and len(value) > LARGEST:
        raise TooLarge(f"the result would have more than {LARGEST} characters or items")
    if isinstance(value, int) and value.bit_length() > WIDEST:
        raise TooLarge(f"the number would have more than {WIDEST} bits")
    return value


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large, before it is done.

    Raises:
        TooLarge: it would.
    """
    if operator == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, str | list | tuple | bytes) and isinstance(other, int) and len(one) * other > LARGEST:
                raise TooLarge(f"the result would have more than {LARGEST} characters or items")
    if operator == "**" and _bits(left) * abs(right if isinstance(right, int | float) else 0) > WIDEST:
        raise TooLarge(f"the number would have more than {WIDEST} bits")
    if operator == "%" and isinstance(left, str | bytes):
        raise TooLarge("text has no %: write ~ to join, or a filter")


def _bits(value: Any) -> int:
    return abs(int(value)).bit_length() + 1 if isinstance(value, int | float) and abs(value) < 1e300 else WIDEST
