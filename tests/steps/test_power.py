from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError
from flowrunner.interfaces.power import PowerReading
from flowrunner.model import Duration
from flowrunner_steps.power import Power
from tests.support.context import RecordingContext
from tests.support.devices import CountingPower, device

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("action", ["on", "off"])
async def test_switches(tmp_path: Path, action: str) -> None:
    power = CountingPower()
    await Power.model_validate({"action": action}).run(RecordingContext(tmp_path, device(power=power)))
    assert power.asked == [action]


async def test_cycle_is_off_wait_on_and_says_when_the_power_came(tmp_path: Path) -> None:
    power = CountingPower()
    context = RecordingContext(tmp_path, device(power=power))
    before = context.now()
    outputs = await Power(action="cycle", off_for=Duration(0.05)).run(context)
    assert power.asked == ["off", "on"]
    assert before + 0.05 <= outputs.at <= context.now()


async def test_reads_as_often_as_asked_and_lets_the_meter_go(tmp_path: Path) -> None:
    power = CountingPower()
    context = RecordingContext(tmp_path, device(power=power))
    start = anyio.current_time()
    outputs = await Power(action="read", count=3, interval=Duration(0.01)).run(context)
    assert outputs.readings == [PowerReading(voltage=v, current=0.5) for v in (1, 2, 3)]
    assert anyio.current_time() - start >= 0.02
    assert not power.reading


async def test_a_meter_that_stops_early_is_an_error(tmp_path: Path) -> None:
    step = Power(action="read", count=3, interval=Duration(0))
    with pytest.raises(BenchError, match="the power meter stopped after 2 of 3 readings"):
        await step.run(RecordingContext(tmp_path, device(power=CountingPower(readings=2))))


@pytest.mark.parametrize(
    ("values", "place", "says"),
    [
        ({"action": "on", "off_for": "5s"}, "off_for", "only for cycle, the action is on"),
        ({"action": "cycle", "count": 2}, "count", "only for read, the action is cycle"),
        ({"action": "cycle", "off_for": 5}, "off_for", "needs a duration, got the number 5"),
        ({"action": "blink"}, "action", "'on', 'off', 'cycle' or 'read'"),
        ({"action": "read", "count": 0}, "count", "greater than or equal to 1"),
    ],
)
def test_refuses_what_means_nothing(values: dict[str, object], place: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Power.model_validate(values)
    assert caught.value.errors()[0]["loc"] == (place,)
    assert says in str(caught.value)
