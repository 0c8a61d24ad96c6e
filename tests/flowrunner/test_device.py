"""How a path finds a part of a device."""

import pytest

from flowrunner.device import Device
from flowrunner.errors import PipelineError
from flowrunner.interfaces.power import Power
from tests.support.devices import CountingPower, device


def grouped(**parts: CountingPower) -> Device:
    """A device with a group `a_b` for each such name: the part `b` below `a`."""
    plain = device(**parts)
    clients: dict[int, object] = {}
    groups: dict[str, Device] = {}
    for name, part in parts.items():
        group, _, below = name.partition("_")
        node = plain.children[name]
        node.client = clients.setdefault(id(part), node.client)  # type: ignore[assignment]
        groups.setdefault(group, Device(group, "composite")).children[below] = node
    return Device("dut", "composite", children=groups)


def test_a_part_with_two_names_is_one() -> None:
    supply = CountingPower()
    assert grouped(board_power=supply, flasher_power=supply).find(Power) == "board.power"


def test_the_name_of_the_interface_wins_also_among_names_of_one_part() -> None:
    supply = CountingPower()
    assert grouped(a_supply=supply, b_power=supply, c_fan=CountingPower()).find(Power) == "b.power"


def test_two_parts_are_two() -> None:
    with pytest.raises(PipelineError, match="offers power more than once"):
        grouped(a_power=CountingPower(), b_power=CountingPower()).find(Power)
