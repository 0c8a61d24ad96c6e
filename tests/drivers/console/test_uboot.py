"""U-Boot for clients of Jumpstarter: what it is made of."""

import pytest

from flowrunner.errors import BenchError
from flowrunner_drivers.console.serial import SerialConsole
from flowrunner_drivers.console.uboot import UbootConsole
from flowrunner_drivers.power.virtual import VirtualPower

SERIAL = SerialConsole.make({"url": "loop://"})


@pytest.mark.parametrize("serial", [{}, {"serial": VirtualPower.make({})}])
def test_a_part_that_is_missing_or_of_another_kind_is_told(serial: dict[str, VirtualPower]) -> None:
    with pytest.raises(BenchError) as raised:
        UbootConsole.make({}, {"power": VirtualPower.make({}), **serial})
    assert raised.value.what == "it needs a part 'serial' that offers console"
    assert (raised.value.blame, raised.value.help) == ("config", "say children: {serial: {ref: ...}}")


def test_its_power_is_needed_too() -> None:
    with pytest.raises(BenchError, match="needs a part 'power' that offers power"):
        UbootConsole.make({}, {"serial": SERIAL})
