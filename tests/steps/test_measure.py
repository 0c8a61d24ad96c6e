import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flowrunner.errors import ExpectationError
from flowrunner.model import Duration, Size
from flowrunner_steps._units import FAMILIES, convert
from flowrunner_steps.measure import Measure
from tests.support.context import RecordingContext

pytestmark = pytest.mark.anyio


async def judge(folder: Path, **values: Any) -> tuple[dict[str, Any], str | None]:
    """What was reported, and what the step said when it failed."""
    context = RecordingContext(folder)
    try:
        await Measure.model_validate({"name": "m", **values}).run(context)
    except ExpectationError as error:
        return context.told.measurements[0], error.what
    return context.told.measurements[0], None


@pytest.mark.parametrize(
    ("values", "value", "verdict", "says"),
    [
        ({"value": 12, "unit": "s", "limits": {"max": 25, "warn_max": 15}}, 12, "passed", None),
        ({"value": 20, "unit": "s", "limits": {"max": 25, "warn_max": 15}}, 20, "marginal", None),
        ({"value": 25, "unit": "s", "limits": {"max": 25}}, 25, "passed", None),
        ({"value": 31, "unit": "s", "limits": {"max": 25}}, 31, "failed", "m was 31 s, above the maximum of 25 s"),
        ({"value": 1, "limits": {"min": 2}}, 1, "failed", "m was 1, below the minimum of 2"),
        ({"value": 3, "limits": {"min": 2, "warn_min": 4}}, 3, "marginal", None),
        ({"value": 3, "limits": {"equals": 4}}, 3, "failed", "m was 3, expected 4"),
        ({"value": 0.1 + 0.2, "limits": {"equals": 0.3}}, 0.1 + 0.2, "passed", None),
        ({"value": Duration(1.5), "unit": "ms", "limits": {"max": "2s"}}, 1500, "passed", None),
        ({"value": Duration(1.5)}, 1.5, "passed", None),
        ({"value": Size(2**20), "unit": "KiB", "limits": {"equals": "1MiB"}}, 1024, "passed", None),
        ({"value": "312mA", "unit": "A", "limits": {"max": 3}}, 0.312, "passed", None),
        ({"value": "5A", "limits": {"max": 3}}, 5, "failed", "m was 5 A, above the maximum of 3 A"),
        ({"value": "-40 dBm", "limits": {"min": -50}}, -40, "passed", None),
        ({"value": None, "unit": "s"}, None, "failed", "m has no value that can be judged, it is None"),
        ({"value": math.nan}, None, "failed", "m has no value that can be judged, it is nan"),
        ({"value": math.inf, "limits": {"min": 3}}, None, "failed", "m has no value that can be judged, it is inf"),
        ({"value": 3}, 3, "passed", None),
    ],
)  # fmt: skip
async def test_judges(tmp_path: Path, values: Any, value: float | None, verdict: str, says: str | None) -> None:
    reported, said = await judge(tmp_path, **values)
    assert (reported["value"], reported["verdict"], said) == (pytest.approx(value), verdict, says)


async def test_reports_limits_in_the_unit_of_the_measurement(tmp_path: Path) -> None:
    reported, _ = await judge(tmp_path, value=3, unit="s", limits={"max": "1m", "warn_max": "500ms"})
    assert reported == {
        "name": "m", "value": 3.0, "unit": "s", "limits": {"max": 60.0, "warn_max": 0.5}, "verdict": "marginal",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "place", "says"),
    [
        ({"value": Duration(3), "unit": "V"}, "value", "has the unit s, which is not one of V"),
        ({"value": 3, "unit": "V", "limits": {"max": "3A"}}, "limits", "max has the unit A, which is not one of V"),
        ({"value": "42\n"}, "value", "needs a number, got the text '42"),
        ({"value": "fast"}, "value", "needs a number, got the text 'fast'"),
        ({"value": True}, "value", "needs a number, got True"),
        ({"value": [1]}, "value", r"needs a number, got \[1\]"),
        ({"value": 3, "limits": {"min": 5, "max": 4}}, "limits", "min 5 is above max 4"),
        ({"value": 3, "limits": {"maximum": 4}}, "limits", "Extra inputs are not permitted"),
        ({}, "value", "Field required"),
    ],
)
def test_refuses_what_cannot_be_judged(values: dict[str, Any], place: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        Measure.model_validate({"name": "m", **values})
    assert caught.value.errors()[0]["loc"][0] == place


@given(st.floats(-1e6, 1e6), st.sampled_from(sorted(FAMILIES)), st.sampled_from(sorted(FAMILIES)))
def test_converting_there_and_back_keeps_the_number(number: float, unit: str, other: str) -> None:
    if FAMILIES[unit][0] == FAMILIES[other][0]:
        assert convert(convert(number, unit, other), other, unit) == pytest.approx(number)
    else:
        with pytest.raises(ValueError, match=f"has the unit {unit}"):
            convert(number, unit, other)
