from typing import ClassVar

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner_drivers.network.echo import EchoNetwork
from flowrunner_drivers.power.group import GroupPower
from flowrunner_drivers.power.virtual import VirtualPower

pytestmark = pytest.mark.anyio


def supply(**config: object) -> VirtualPower:
    driver = VirtualPower.make({"interval": 0, **config})
    assert isinstance(driver, VirtualPower)
    return driver


def group(config: dict[str, object] | None = None, **supplies: VirtualPower) -> Power:
    driver = GroupPower.make(config or {}, supplies)
    assert isinstance(driver, Power)
    return Power.client(Direct(driver))


class Noted(VirtualPower):
    """A supply that notes when it was switched."""

    events: ClassVar[list[tuple[str, bool, float]]] = []

    async def on(self) -> None:
        await super().on()
        self.events.append((str(self.config.volts), True, anyio.current_time()))

    async def off(self) -> None:
        await super().off()
        self.events.append((str(self.config.volts), False, anyio.current_time()))


async def test_goes_on_in_order_with_a_delay_and_off_in_reverse() -> None:
    supplies = {f"v{volts}": Noted.make({"volts": volts}) for volts in (5, 12)}
    power = group({"delay": 0.05, "order": ["v12", "v5"]}, **supplies)  # type: ignore[arg-type]
    await power.on()
    await power.off()
    names, states, times = zip(*Noted.events, strict=True)
    assert names == ("12.0", "5.0", "5.0", "12.0")
    assert states == (True, True, False, False)
    assert times[1] - times[0] >= 0.05
    assert times[3] - times[2] >= 0.05


async def test_one_that_does_not_go_on_takes_the_others_off_again() -> None:
    a, b, c = supply(), supply(faults=[{"call": "on", "fail": "the relay is stuck"}]), supply()
    with pytest.raises(BenchError, match="supply 'b': the relay is stuck"):
        await group(a=a, b=b, c=c).on()
    assert (a.is_on, b.is_on, c.is_on) == (False, False, False)


async def test_off_goes_on_to_the_last_one_and_tells_all_that_failed() -> None:
    stuck = [{"call": "off", "fail": "the relay is stuck"}]
    a, b, c = supply(), supply(faults=stuck), supply(faults=stuck)
    power = group(a=a, b=b, c=c)
    await power.on()
    with pytest.raises(BenchError, match="supply 'c': the relay is stuck") as error:
        await power.off()
    assert error.value.__notes__ == ["and then: supply 'b': the relay is stuck"]
    assert (a.is_on, b.is_on, c.is_on) == (False, True, True)


async def test_a_reading_is_the_power_of_all() -> None:
    power = group(a=supply(volts=12, amps=1), b=supply(volts=5, amps=2.4))
    async for reading in power.read():
        assert reading == PowerReading(voltage=0, current=0)
        break
    await power.on()
    async for reading in power.read():
        assert reading == PowerReading(voltage=12, current=2)
        break


def test_only_supplies_can_be_in_it() -> None:
    for config, children, says in (
        ({}, {}, "a group needs supplies"),
        ({"order": ["fon"]}, {"fan": supply()}, "there is no supply 'fon'"),
        ({}, {"net": EchoNetwork.make({})}, "'net' is no supply"),
    ):
        with pytest.raises(BenchError, match=says) as error:
            GroupPower.make(config, children)
        assert error.value.blame == "config"
