"""Carrying out what a command line says of a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.commands.command import Command
from flowrunner.commands.find import Found, find
from flowrunner.commands.method import Parameter
from flowrunner.commands.reading import read
from flowrunner.commands.said import command_help, part, tree
from flowrunner.commands.words import Line, parse
from flowrunner.device import Device

ROLE = "dut"
"""What a device is called that is used by hand."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done with the part at `path` once the device is had."""

    path: str
    command: Command
    values: Mapping[str, Any]

    @property
    def looks_on(self) -> bool:
        """Whether it only watches what another does, so that the device is not leased."""
        return self.command.looks_on(self.values)

    async def __call__(self, device: Device) -> int:
        """Do it; returns the exit status."""
        return await self.command.run(device.at(self.path), self.values)


def prepare(device: Device, words: Sequence[str]) -> str | Action:
    """What `words` ask for: text that can be printed without touching anything, or something to do with the device.

    `device` needs no clients yet.

    Raises:
        PipelineError: the words make no command.
    """
    as_json = [word for word in words if word == "--json"]
    if not words or (as_json and len(words) == 1):
        return tree(device, as_json=bool(as_json))
    found = find(device, words)
    if found.command is None:
        return part(found.path, found.node) if found.path else tree(device, as_json=False)
    line = _parsed(found)
    if line.help:
        return command_help(found.path, found.command)
    if found.command.check:
        found.command.check(line.values)
    return Action(found.path, found.command, line.values)


def _parsed(found: Found) -> Line:
    command = found.command
    assert command is not None
    words = list(found.words)
    if not command.verbatim:
        return parse(words, command.parameters, command.options, command.spellings)
    ahead = _options(words, command.options, command.spellings)
    line = parse(words[:ahead], (), command.options, command.spellings)
    rest = words[ahead:]
    rest = rest[1:] if rest[:1] == ["--"] else rest
    last: Parameter = command.parameters[-1]
    if rest:
        line.values[last.name] = read(last.annotation, rest, last.name)
    return line


def _options(words: Sequence[str], options: Sequence[Parameter], spellings: Mapping[str, str]) -> int:
    """How many of `words` are options of this command, with their values, before the first other word."""
    known = {*(option.option for option in options), *spellings}
    if not known:
        return 0  # not even --help: all of it is for the device
    at = 0
    while at < len(words) and words[at].partition("=")[0] in {*known, "-h", "--help"}:
        at += 1 if "=" in words[at] or words[at] in ("-h", "--help") else 2
    return min(at, len(words))
