"""From a report to a tree, also where the report is odd."""

from __future__ import annotations

import pytest

from flowrunner.errors import BenchError, PipelineError
from flowrunner.interface import Interface
from flowrunner.interfaces.power import Power
from flowrunner.remote.client.foreign import _described
from flowrunner.remote.client.tree import Report, Tree, own_tree, tree
from flowrunner.remote.wire import CLIENT, HOME, INTERFACES, NAME, TYPE

POWER = "jumpstarter_driver_power.client.PowerClient"
GROUP = "jumpstarter_driver_composite.client.CompositeClient"


def report(uuid: str, parent: str = "", name: str = "", label: str = GROUP, **more: str) -> Report:
    return Report(uuid=uuid, parent_uuid=parent, labels={CLIENT: label, **({NAME: name} if name else {}), **more})


def drawn(*reports: Report) -> Tree:
    return tree(reports, _described)


def test_a_proxy_comes_again_with_what_is_below_it() -> None:
    found = drawn(
        report("0"), report("1", "0", "board"), report("2", "1", "power", POWER),
        report("3", "0", "group"), report("1", "3", "alias"), report("2", "1", "power", POWER),
    )  # fmt: skip
    assert [path for path, _ in found.device.walk()] == [
        "",
        "board",
        "board.power",
        "group",
        "group.alias",
        "group.alias.power",
    ]
    assert found.homes["group.alias.power"] == "board.power"
    assert found.device.at("group.alias.power").interfaces == (Power,)


def test_names_with_dots_can_be_addressed() -> None:
    found = drawn(report("0"), report("1", "0", "rail.3v3", POWER))
    assert found.device.at("rail_3v3").interfaces == (Power,)


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        ((), "reports no parts at all"),
        ((report("0"), report("1")), "a second root"),
        ((report("0"), report("1", "7", "power")), "a part whose parent is unknown"),
        ((report("0"), report("1", "0")), "a part without a name"),
        ((report("1", "0", "power"),), "a part whose parent is unknown"),
    ],
)
def test_a_report_that_cannot_be_drawn_is_refused(reports: tuple[Report, ...], why: str) -> None:
    with pytest.raises(BenchError, match=why):
        drawn(*reports)


def test_a_part_of_an_unknown_class_is_named_when_something_is_wanted_of_it() -> None:
    found = drawn(report("0"), report("1", "0", "relay", "acme.RelayClient"), report("2", "0", "bare", ""))
    with pytest.raises(PipelineError) as raised:
        found.device.find(Power)
    assert raised.value.help == "it offers nothing; nothing here knows acme.RelayClient"


def test_parts_of_our_own_exporters_say_their_interfaces_types_and_homes() -> None:
    labels = {INTERFACES: "Power,NotKnownHere", TYPE: "power.tasmota", HOME: "board.power"}
    found = own_tree([report("0", **{INTERFACES: ""}), report("1", "0", "alias", **labels)])
    node = found.device.at("alias")
    expected: tuple[type[Interface], ...] = (Power,)
    assert (node.type, node.interfaces, found.homes["alias"]) == ("power.tasmota", expected, "board.power")
