"""Measurements, each drawn against its limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.report.model import Summary
from flowrunner.report.page.markup import Html, badge, section, shown, tag

_OUTCOMES = {"passed": "passed", "failed": "failed", "marginal": "errored"}


def measurements_section(summary: Summary, anchors: Mapping[str, str]) -> Html:
    """A row for each measurement."""
    rows = [
        tag(
            "tr",
            tag("td", badge(_outcome(event)), tag("span", str(event.get("verdict")))),
            tag("th", tag("a", str(event.get("name")), href=f"#{anchors.get(record.path, '')}"), scope="row"),
            tag("td", tag("b", number(event.get("value"))), f" {event.get('unit') or ''}", class_="number"),
            tag("td", limits_drawing(event), class_="drawing"),
            tag("td", _limits(event), class_="quiet"),
        )
        for record in summary.walk()
        for event in record.extras.measurements
    ]  # fmt: skip
    if not rows:
        return Html("")
    heads = [tag("th", name, scope="col") for name in ("Verdict", "Name", "Value", "Against its limits", "Limits")]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="measurements")
    return section("measurements", "Measurements", tag("div", table, class_="wide"))


def _outcome(event: Mapping[str, Any]) -> str:
    return _OUTCOMES.get(str(event.get("verdict")), "skipped")


def number(value: Any) -> str:
    """A measured value, to six digits."""
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def _limits(event: Mapping[str, Any]) -> str:
    unit = event.get("unit") or ""
    limits = event.get("limits") or {}
    words = {
        "min": "at least",
        "max": "at most",
        "warn_min": "warn below",
        "warn_max": "warn above",
        "equals": "equal to",
    }
    return ", ".join(
        f"{words[name]} {number(limits[name])} {unit}".strip() for name in words if limits.get(name) is not None
    )


def finite(value: Any) -> float | None:
    """`value` as a number that can be drawn; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def limits_drawing(event: Mapping[str, Any]) -> Html:
    """A scale with the allowed and the warning range, and a mark at the value."""
    limits = {name: finite(bound) for name, bound in (event.get("limits") or {}).items()}
    known = [bound for bound in limits.values() if bound is not None]
    value = finite(event.get("value"))
    if value is None or not known:
        return Html("")
    low, high = _scale([value, *known], zero=value >= 0 and min(known) >= 0)

    def x(at: float) -> float:
        return round((at - low) / (high - low) * 100, 2)

    inner = list(_ranges(limits, low, high, x))
    mark = tag("i", class_=f"mark {_outcome(event)}", style=f"left:{x(value)}%")
    return tag("div", inner, mark, class_="scale", role="img", aria_label=_limits(event))


def _scale(values: list[float], *, zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.15 or abs(high) * 0.15 or 1.0
    return (0.0 if zero and low - room < high * 0.5 else low - room), high + room


def _ranges(limits: Mapping[str, float | None], low: float, high: float, x: Any) -> Iterator[Html]:
    if (equals := limits.get("equals")) is not None:
        yield tag("i", class_="good", style=f"left:{max(x(equals) - 0.5, 0)}%;width:1%")
        return
    least, most = _or(limits.get("min"), low), _or(limits.get("max"), high)
    warn_least, warn_most = _or(limits.get("warn_min"), least), _or(limits.get("warn_max"), most)
    yield tag("i", class_="warn", style=f"left:{x(least)}%;width:{x(most) - x(least):.2f}%")
    yield tag("i", class_="good", style=f"left:{x(warn_least)}%;width:{x(warn_most) - x(warn_least):.2f}%")


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
