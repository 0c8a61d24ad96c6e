"""Judge a number."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from flowrunner.errors import ExpectationError
from flowrunner.model import Duration, Model, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._units import convert, split

Verdict = Literal["passed", "failed", "marginal"]


def _quantity(value: Any) -> Any:
    """A number, or a number with its unit (number, unit); None stays None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise ValueError(f"needs a number, got {value!r}")
    if isinstance(value, Duration):
        return float(value), "s"
    if isinstance(value, Size):
        return float(value), "B"
    if not isinstance(value, str):
        return value
    try:
        return float(Duration.parse(value)), "s"
    except ValueError:
        number, unit = split(value)
    if not unit:
        raise PydanticCustomError(
            "quantity", "{why}", {"why": f"needs a number, got the text {value!r}", "help": "convert it: '| float'"}
        )
    return number, unit


Quantity = Annotated[
    Any,
    PlainValidator(_quantity),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}),
]
"""A number, a duration, a size, or text with a unit such as `3.2A`."""


class Limits(Model):
    """What the value may be, in the unit of the measurement or with one of its own. All limits are inclusive."""

    min: Quantity = None
    """Below it the measurement failed."""

    max: Quantity = None
    """Above it the measurement failed."""

    warn_min: Quantity = None
    """Below it the measurement is marginal."""

    warn_max: Quantity = None
    """Above it the measurement is marginal."""

    equals: Quantity = None
    """Anything else failed."""


class MeasureOutputs(Outputs):
    """What `measure` leaves for later steps."""

    value: float
    """The value in the measurement's unit."""

    verdict: Verdict
    """`passed` or `marginal`."""


class Measure(Step):
    """Record a number with its unit, and judge it by limits.

    A value beyond `min` or `max` fails the step; one beyond `warn_min` or `warn_max` is marginal, which is reported and
    changes no outcome. A value that is missing or not a number has failed.

    ```yaml
    steps:
      - id: power_on
        power: cycle
      - id: prompt
        expect: "login: "
      - measure:
          name: boot_time
          value: ${{ steps.prompt.outputs.at - steps.power_on.outputs.at }}
          unit: s
          limits: {max: 25, warn_max: 15}
      - measure: {name: idle_current, value: 312mA, unit: A, limits: {max: 0.5}}
    ```
    """

    name: str = Field(min_length=1)
    """What is measured."""

    unit: str | None = None
    """The unit of the value and of limits without one; that of the value when left out."""

    value: Quantity
    """The number; one that has a unit is converted."""

    limits: Limits = Limits()
    """What it may be."""

    @field_validator("value")
    @classmethod
    def _of_the_unit(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, tuple) and (unit := info.data.get("unit")):
            return _in(value, unit)
        return value

    @field_validator("limits")
    @classmethod
    def _fit_the_unit(cls, limits: Limits, info: ValidationInfo) -> Limits:
        if "value" in info.data and "unit" in info.data:
            _bounds(limits, _unit(info.data["unit"], info.data["value"]))
        return limits

    async def run(self, context: Context) -> MeasureOutputs:
        unit = _unit(self.unit, self.value)
        bounds = _bounds(self.limits, unit)
        raw = self.value[0] if isinstance(self.value, tuple) else self.value
        number = None if raw is None or not math.isfinite(raw) else float(raw)
        problem = _problem(number, bounds, unit)
        marginal = number is not None and not bounds.get("warn_min", -math.inf) <= number <= bounds.get(
            "warn_max", math.inf
        )
        verdict: Verdict = "failed" if problem else "marginal" if marginal else "passed"
        context.measurement(
            {"name": self.name, "value": number, "unit": unit or None, "limits": bounds, "verdict": verdict}
        )
        if problem or number is None:
            raise ExpectationError(f"{self.name} {problem}" + (f", it is {raw}" if number is None else ""))
        return MeasureOutputs(value=number, verdict=verdict)


def _unit(unit: str | None, value: Any) -> str:
    """The measurement's unit; empty when it has none."""
    return unit or (value[1] if isinstance(value, tuple) else "")


def _bounds(limits: Limits, unit: str) -> dict[str, float]:
    """The limits that are set, in the measurement's unit."""
    given = {name: limit for name in Limits.model_fields if (limit := getattr(limits, name)) is not None}
    found = {name: _in(limit, unit, f"{name} ") for name, limit in given.items()}
    for low, high in (("min", "max"), ("warn_min", "warn_max")):
        if low in found and high in found and found[low] > found[high]:
            why = f"{low} {found[low]:g} is above {high} {found[high]:g}"
            raise PydanticCustomError("limits", "{why}", {"why": why, "help": "no value can pass: swap them"})
    return found


def _problem(number: float | None, bounds: dict[str, float], unit: str) -> str | None:
    """Why the value failed, None when it did not."""
    if number is None:
        return "has no value that can be judged"
    value = f"{number:.6g} {unit}".strip()
    if "min" in bounds and number < bounds["min"]:
        return f"was {value}, below the minimum of {bounds['min']:.6g} {unit}".strip()
    if "max" in bounds and number > bounds["max"]:
        return f"was {value}, above the maximum of {bounds['max']:.6g} {unit}".strip()
    if "equals" in bounds and not math.isclose(number, bounds["equals"], rel_tol=1e-9):
        return f"was {value}, expected {bounds['equals']:.6g} {unit}".strip()
    return None


def _in(value: Any, unit: str, what: str = "") -> float:
    """A quantity as a plain number of `unit`."""
    if not isinstance(value, tuple):
        return float(value)
    try:
        number, own = value
        return convert(number, own, unit)
    except ValueError as error:
        raise PydanticCustomError(
            "unit", "{why}", {"why": f"{what}{error}", "help": f"give it in {unit or 'no unit'}"}
        ) from error
