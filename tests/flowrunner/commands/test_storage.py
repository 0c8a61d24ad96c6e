"""What may be said of images on a command line; carrying it out is tested where there are flashers."""

import pytest

from flowrunner.commands.run import prepare
from flowrunner.device import Device
from flowrunner.errors import PipelineError
from flowrunner.interfaces.storage import BoardFlasher, Flasher


def board(interface: type) -> Device:
    return Device("dut", "test", (), None, {"disk": Device("disk", "test", (interface,), None, {})})


@pytest.mark.parametrize(
    ("words", "said", "help"),
    [
        ([], "what is to be flashed is missing", "name a FILE, or several: -t boot:boot.img -t root:root.img"),
        (["-t", "root"], "'root' names no file", "write TARGET:FILE, or FILE --target TARGET"),
        (["a.img", "-t", "a", "-t", "b"], "'a.img' cannot go to 2 targets", "write each as --target TARGET:FILE"),
        (["-t", "a:1.img", "-t", "a:2.img"], "two images for one target", "name each target once"),
        (["-t", "a:1", "-t", "b:2", "--checksum", "sha256:0"], "--checksum is that of one image", "one by one"),
    ],
)
def test_what_cannot_be_flashed_is_said_before_the_device_is_asked_for(words: list[str], said: str, help: str) -> None:
    with pytest.raises(PipelineError) as error:
        prepare(board(Flasher), ["disk", "flash", *words])
    assert error.value.what == said
    assert help in (error.value.help or "")


@pytest.mark.parametrize(
    "words", [["a.img"], ["a.img", "--partition", "root"], ["-t", "a:1.img", "-t", "b:http://x/2"]]
)
def test_one_image_or_several_are_taken(words: list[str]) -> None:
    assert callable(prepare(board(Flasher), ["disk", "flash", *words]))


def test_shells_are_offered_where_the_flasher_boots_the_board() -> None:
    tree = prepare(board(BoardFlasher), [])
    assert isinstance(tree, str)
    assert tree.splitlines()[-1].endswith("bootloader system flash dump bootloader-shell system-shell")
    help = prepare(board(BoardFlasher), ["disk", "busybox-shell", "--help"])
    assert isinstance(help, str)
    assert help.startswith("Usage: flow device disk system-shell")
    with pytest.raises(PipelineError, match="no part and no command 'busybox-shell'"):
        prepare(board(Flasher), ["disk", "busybox-shell"])
