"""Units of measurements: which go together, and how one becomes the other."""

from __future__ import annotations

import re

from flowrunner.model import Duration, Size

PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
BASES = ("V", "A", "W", "VA", "Wh", "Ah", "J", "Hz", "Ohm", "Ω", "F", "H", "Pa", "bit/s", "B/s")
FAMILIES: dict[str, tuple[str, float]] = {
    **{prefix + base: (base.replace("Ω", "Ohm"), factor) for base in BASES for prefix, factor in PREFIXES.items()},
    **{unit: ("B", factor) for unit, factor in Size.units.items()},
    "min": ("s", 60.0),
    "ns": ("s", 1e-9),
    **{unit: ("s", factor) for unit, factor in Duration.units.items()},
}
"""Each known unit with the base of its family and its factor to that; `m` is minutes, as in a duration."""


def convert(number: float, unit: str, wanted: str) -> float:
    """`number` of `unit` in `wanted`.

    Raises:
        ValueError: the two do not measure the same thing.
    """
    if unit == wanted:
        return number
    (base, factor), (other, divisor) = FAMILIES.get(unit, (unit, 1.0)), FAMILIES.get(wanted, (wanted, 1.0))
    if base != other:
        raise ValueError(f"has the unit {unit}, which is not one of {wanted}")
    return number * (factor / divisor)


def split(text: str) -> tuple[float, str]:
    """The number and the unit of text such as `3.2A` or `-40 dBm`; the unit may be empty.

    Raises:
        ValueError: there is no number at its start.
    """
    parts = re.fullmatch(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*?)?\s*", text)
    if not parts:
        raise ValueError(f"needs a number, got the text {text!r}")
    return float(parts[1]), parts[2] or ""
