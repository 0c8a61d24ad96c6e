"""From the words of a command line to a part and a command of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.commands.command import Command
from flowrunner.commands.reading import usage
from flowrunner.commands.table import command, commands
from flowrunner.device import Device
from flowrunner.errors import PipelineError, near

HELP = ("-h", "--help")


@dataclass(frozen=True, slots=True)
class Found:
    """A part, with the command that was named and the words behind it; without one, the part is to be shown."""

    path: str
    node: Device
    command: Command | None = None
    words: tuple[str, ...] = ()


def find(device: Device, words: Sequence[str]) -> Found:
    """The part and the command that `words` begin with: `power on`, `board.power on`, `board power on`.

    The device's own name may stand in front. A word that names no part here may be the name of only one part further
    down, an interface that only one part offers, or a command that only one part has.

    Raises:
        PipelineError: there is no such part or command.
    """
    left = list(words)
    if left and left[0] not in device.children and left[0].partition(".")[0] == device.name:
        rest = left.pop(0).partition(".")[2]
        left = [rest, *left] if rest else left
    path, node = "", device
    while left and left[0] not in HELP:
        step = _step(device, path, left[0])
        if step is None:
            break
        path, node = step, device.at(step)
        left.pop(0)
    if not left or left[0] in HELP:
        return Found(path, node)
    return _command(device, path, left.pop(0), tuple(left))


def _step(device: Device, path: str, word: str) -> str | None:
    """The path of the part that `word` names below `path`; None when it names none."""
    node = device.at(path)
    try:
        node.at(word)
        return f"{path}.{word}" if path else word
    except PipelineError:
        pass
    if "." not in word and command(node, word):
        return None
    below = [p for p, each in node.walk(path) if each is not node and each.name == word]
    if len(below) == 1:
        return below[0]
    interface = next((i for _, below in node.walk() for i in below.interfaces if i.name == word), None)
    return device.find(interface, path=path) if interface and not node.offers(interface) else None


def _command(device: Device, path: str, word: str, words: tuple[str, ...]) -> Found:
    node = device.at(path)
    found = command(node, word)
    if found:
        return Found(path, node, found, words)
    below = [(p, each) for p, each in node.walk(path) if word in commands(each)]
    if len(below) == 1:
        path, node = below[0]
        return Found(path, node, commands(node)[word], words)
    if below:
        choices = " or ".join(f"{p} {word}" for p, _ in below)
        raise usage(f"several parts have the command '{word}'", f"write {choices}")
    known = [*node.children, *commands(node)]
    raise usage(f"'{path or device.name}' has no part and no command '{word}'", near(word, known))
