"""The limits within which every expression ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

LONGEST = 10_000
"""Characters of one expression."""

MOST_NODES = 500
"""Nodes of one expression's tree."""

DEEPEST = 40
"""Levels of it."""

LARGEST = 1 << 20
"""Characters and items of any value, all that is inside counted."""

DEEPEST_VALUE = 100
"""Levels of lists and mappings in any value."""

WIDEST = 4096
"""Bits of any whole number."""

MOST_WORK = 32 * LARGEST
"""What all operations of one evaluation together may take in and give: characters, and `ITEM` for each item."""

ITEM = 8

TOLL = 64
"""What one operation costs beside what it takes in and gives."""

PATTERN_TIME = 0.5
"""Seconds that the regular expressions of one evaluation may search."""


class TooLarge(Exception):
    """An expression that would make more than it may."""


class _Work:
    """What is left for one evaluation."""

    __slots__ = ("patience", "units")

    def __init__(self) -> None:
        self.units = MOST_WORK
        self.patience = PATTERN_TIME


_work: ContextVar[_Work | None] = ContextVar("work", default=None)


@contextmanager
def limited() -> Iterator[None]:
    """Inside, all operations together have the limits of one evaluation."""
    before = _work.set(_Work())
    try:
        yield
    finally:
        _work.reset(before)


def spend(value: Any) -> None:
    """Count `value` as work.

    Raises:
        TooLarge: that is more than one evaluation may do.
    """
    work = _work.get()
    if work is not None:
        work.units -= weight(value, work.units, item=ITEM)
        if work.units < 0:
            most = f"{MOST_WORK} characters, or {MOST_WORK // ITEM} items"
            raise TooLarge(f"the expression would work through more than {most}")


def toll() -> None:
    """Count one operation, whatever it does.

    Raises:
        TooLarge: that is more than one evaluation may do.
    """
    work = _work.get()
    if work is not None:
        work.units -= TOLL
        if work.units < 0:
            raise TooLarge("the expression has too many operations to do")


@contextmanager
def searching() -> Iterator[float]:
    """The seconds that a search may take now; what it takes is counted.

    Raises:
        TimeoutError: there are none left.
    """
    work = _work.get() or _Work()
    if work.patience <= 0:
        raise TimeoutError(f"its patterns searched for longer than {PATTERN_TIME}s")
    start = time.monotonic()  # what the search costs for real: no deadline of the run hangs on it
    try:
        yield work.patience
    finally:
        work.patience -= time.monotonic() - start


def weight(value: Any, most: int, *, item: int = 1) -> int:
    """The characters in `value`, and `item` for each item in it, counted until there are more than `most`.

    Raises:
        TooLarge: it is nested too deep.
    """
    if isinstance(value, str | bytes):
        return len(value)
    total, layer, levels = 0, [value], 0
    while layer and total <= most:
        levels += 1
        if levels > DEEPEST_VALUE:
            raise TooLarge(f"a value may be {DEEPEST_VALUE} levels deep")
        below: list[Any] = []
        for one in layer:
            kind = type(one)
            if kind in _SINGLE:
                continue
            if isinstance(one, str | bytes):
                total += len(one)
            elif isinstance(one, list | tuple):
                below += one
            elif isinstance(one, Mapping):
                below += one
                below += one.values()
            if total + len(below) * item > most:
                return total + len(below) * item
        total += len(below) * item
        layer = below
    return total


_SINGLE = {int, float, bool, type(None)}


def bounded(value: Any) -> Any:
    """`value`, when it is small enough.

    Raises:
        TooLarge: it is not.
    """
    if weight(value, LARGEST) > LARGEST:
        raise TooLarge(f"the result would have more than {LARGEST} characters and items")
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
                raise TooLarge(f"the result would have more than {LARGEST} characters and items")
    if operator == "**" and _bits(left) * abs(right if isinstance(right, int | float) else 0) > WIDEST:
        raise TooLarge(f"the number would have more than {WIDEST} bits")


def _bits(value: Any) -> int:
    return abs(int(value)).bit_length() + 1 if isinstance(value, int | float) and abs(value) < 1e300 else WIDEST
