from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner_drivers.power.virtual import VirtualPower

pytestmark = pytest.mark.anyio


def power(**config: object) -> Power:
    driver = VirtualPower.make(config)
    assert isinstance(driver, Power)
    return Power.client(Direct(driver))


async def reading(power: Power) -> PowerReading:
    async for found in power.read():
        return found
    raise AssertionError("no reading")


async def test_measures_only_while_it_is_on() -> None:
    supply = power(volts=12, amps=0.5)
    assert await reading(supply) == PowerReading(voltage=0, current=0)
    await supply.cycle(off_for=0)
    assert await reading(supply) == PowerReading(voltage=12, current=0.5)
    await supply.off()
    assert await reading(supply) == PowerReading(voltage=0, current=0)


async def test_other_processes_see_its_state_and_it_outlives_this_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    await power(state=state).on()
    assert state.read_text() == "on"
    assert (await reading(power(state=state))).voltage == 5


async def test_a_fault_befalls_the_calls_it_names() -> None:
    supply = power(faults=[{"call": "on", "at": 2, "times": 2, "fail": "the relay is stuck", "blame": "infra"}])
    await supply.on()
    for _ in range(2):
        with pytest.raises(BenchError, match="the relay is stuck") as error:
            await supply.on()
        assert error.value.blame == "infra"
    await supply.on()
    await supply.off()


async def test_a_failed_call_does_not_switch() -> None:
    supply = power(faults=[{"call": "on", "fail": "no"}])
    with pytest.raises(BenchError):
        await supply.on()
    assert (await reading(supply)).voltage == 0


async def test_a_fault_can_be_late_or_hang() -> None:
    supply = power(faults=[{"call": "on", "delay": "50ms"}, {"call": "off", "hang": True, "times": None}])
    start = anyio.current_time()
    await supply.on()
    assert anyio.current_time() - start >= 0.05
    with anyio.move_on_after(0.05) as limit:
        await supply.off()
    assert limit.cancelled_caught


def test_a_fault_must_do_something() -> None:
    with pytest.raises(ValidationError, match="a fault needs delay, fail or hang"):
        power(faults=[{"call": "on"}])
