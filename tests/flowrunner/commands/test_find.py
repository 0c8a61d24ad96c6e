"""From words to a part and a command, on the tree of a virtual board."""

import json

import pytest

from flowrunner.commands.run import prepare
from flowrunner.device import Device
from flowrunner.errors import PipelineError
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.storage import Flasher, StorageMuxFlasher


def node(name: str, *interfaces: type, children: tuple[Device, ...] = ()) -> Device:
    return Device(name, "test", interfaces, None, {child.name: child for child in children})


BOARD = node(
    "dut",
    children=(
        node("board", children=(node("supply", Power), node("uart", Console), node("tools", Shell))),
        node("disk", StorageMuxFlasher),
        node("card", Flasher),
    ),
)


def said(*words: str) -> str:
    text = prepare(BOARD, words)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    "words",
    [
        ["board.supply", "cycle"],
        ["board", "supply", "cycle"],
        ["dut.board.supply", "cycle"],
        ["dut", "board", "supply", "cycle"],
        ["supply", "cycle"],
        ["power", "cycle"],
        ["board", "power", "cycle"],
        ["cycle"],
    ],
)
def test_a_command_is_found_by_any_path_to_it(words: list[str]) -> None:
    assert said(*words, "--help").startswith("Usage: flow device board.supply cycle [OPTIONS] [OFF-FOR]")


def test_the_tree_shows_each_part_with_its_commands() -> None:
    assert said() == (
        "dut           test\n"
        "├─ board      test\n"
        "│  ├─ supply  test  on off read cycle\n"
        "│  ├─ uart    test  console pipe\n"
        "│  └─ tools   test  get-methods describe call-method\n"
        "├─ disk       test  host dut off flash dump\n"
        "└─ card       test  flash dump"
    )


def test_programs_read_the_tree_as_json() -> None:
    tree = json.loads(said("--json"))
    (supply,) = [part for part in tree["children"][0]["children"] if part["name"] == "supply"]
    assert supply["path"] == "board.supply"
    assert supply["interfaces"] == ["power"]
    assert supply["commands"]["cycle"] == {"off_for": "time: 2, 2s, 1m30s"}


def test_a_part_lists_its_commands_with_their_first_lines() -> None:
    text = said("board.supply")
    assert "  on     Apply power." in text
    assert said("board", "--help").startswith("board: test\n\nParts:\n  supply")
    assert "Each method that the exporter's file lists" in said("board.tools")


def test_help_tells_types_and_defaults() -> None:
    text = said("power", "cycle", "-h")
    assert "OFF-FOR  time: 2, 2s, 1m30s, 2.0 if left out" in text
    assert "-w, --wait, --off-for" not in text
    flash = said("disk", "flash", "--help")
    assert "-t, --partition, --target TARGET" in flash


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nothing"], "'dut' has no part and no command 'nothing'"),
        (["board.nothing", "on"], "'dut' has no part and no command 'board.nothing'"),
        (["board", "supply", "onn"], "'board.supply' has no part and no command 'onn'"),
        (["flash", "x"], "several parts have the command 'flash'"),
        (["power", "cycle", "--off-for", "x"], "'x' does not fit --off-for"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(words: list[str], what: str) -> None:
    with pytest.raises(PipelineError) as caught:
        prepare(BOARD, words)
    assert caught.value.what.startswith(what)


def test_the_nearest_word_is_offered() -> None:
    with pytest.raises(PipelineError) as caught:
        prepare(BOARD, ["board", "supply", "cycel"])
    assert caught.value.help == "did you mean 'cycle'?"


def test_a_part_that_is_named_like_an_interface_comes_first() -> None:
    device = node("dut", children=(node("power", children=(node("main", Power),)), node("fan", Power)))
    text = prepare(device, ["power"])
    assert isinstance(text, str) and text.startswith("power: test")


def test_spellings_of_jumpstarter_are_understood() -> None:
    assert said("uart", "start-console", "-h").startswith("Usage: flow device board.uart start-console")
    assert said("disk", "write-local-file", "-h").startswith(
        "Usage: flow device disk write-local-file [OPTIONS] [FILE]"
    )
    assert said("disk", "read_local_file", "-h").startswith("Usage: flow device disk read-local-file [OPTIONS] FILE")
    assert not isinstance(prepare(BOARD, ["power", "cycle", "--wait", "0"]), str)
    assert not isinstance(prepare(BOARD, ["power", "cycle", "-w", "0"]), str)
    assert not isinstance(prepare(BOARD, ["disk", "flash", "x.img", "--partition", "root"]), str)
