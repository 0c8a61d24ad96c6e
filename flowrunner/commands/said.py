"""The tree of a device and the help of its commands, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from flowrunner.commands.command import Command
from flowrunner.commands.method import REQUIRED, Parameter
from flowrunner.commands.reading import plain, repeats
from flowrunner.commands.table import commands
from flowrunner.describe import type_words
from flowrunner.device import Device
from flowrunner.interfaces.shell import Shell
from flowrunner.model import Seconds


def tree(device: Device, *, as_json: bool) -> str:
    """The parts with their types and commands."""
    if as_json:
        return json.dumps(_facts(device, ""), indent=2)
    rows = list(_rows(device, "", ""))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = (f"{name:{widths[0]}}  {type:{widths[1]}}  {words}".rstrip() for name, type, words in rows)
    return "\n".join(lines)


def part(path: str, node: Device) -> str:
    """One part with its commands, and what is below it."""
    found = commands(node)
    lines = [f"{path or node.name}: {node.type}"]
    if node.offers(Shell):
        lines.append("\nEach method that the exporter's file lists is a command; get-methods lists them.")
    if found:
        lines += ["\nCommands:", *_columns([(f"  {word}", each.summary) for word, each in found.items()])]
    if node.children:
        lines += ["\nParts:", *_columns([(f"  {name}", child.type) for name, child in node.children.items()])]
    return "\n".join(lines)


def command_help(path: str, command: Command) -> str:
    """The usage of a command."""
    arguments = " ".join(map(_argument, command.parameters))
    lines = [f"Usage: flow device {path} {command.word} [OPTIONS] {arguments}".rstrip(), "", command.help]
    shorts: dict[str, str] = {}
    for short, long in command.spellings.items():
        shorts[long] = f"{shorts[long]}, {short}" if long in shorts else short
    if command.parameters:
        rows = [(f"  {_name(each)}", _described(each)) for each in command.parameters]
        lines += ["\nArguments (in this order, or as --name VALUE):", *_columns(rows)]
    rows = [(f"  {_spelled(each, shorts)}", _described(each)) for each in command.options]
    return "\n".join([*lines, "\nOptions:", *_columns([*rows, ("  -h, --help", "Show this")])])


def _rows(node: Device, prefix: str, last: str) -> Iterator[tuple[str, str, str]]:
    yield last + node.name, node.type, " ".join(commands(node))
    children = list(node.children.values())
    for child in children:
        end = child is children[-1]
        below = _rows(child, prefix + ("   " if end else "│  "), prefix + ("└─ " if end else "├─ "))
        yield from below


def _facts(node: Device, path: str) -> dict[str, Any]:
    return {
        "name": node.name, "path": path, "type": node.type, "interfaces": [each.name for each in node.interfaces],
        "commands": {
            word: {each.name: _words(each) for each in command.parameters} for word, command in commands(node).items()
        },
        "children": [
            _facts(child, f"{path}.{name}" if path else name) for name, child in node.children.items()
        ],
    }  # fmt: skip


def _argument(parameter: Parameter) -> str:
    name = _name(parameter) + ("..." if repeats(parameter.annotation) else "")
    return name if parameter.default is REQUIRED else f"[{name}]"


def _name(parameter: Parameter) -> str:
    return parameter.name.replace("_", "-").upper()


def _spelled(parameter: Parameter, shorts: dict[str, str]) -> str:
    value = "" if parameter.flag else f" {_name(parameter)}"
    names = [*([shorts[parameter.option]] if parameter.option in shorts else []), parameter.option]
    return ", ".join(names) + value


def _described(parameter: Parameter) -> str:
    default = parameter.default
    shown = "" if default is REQUIRED or default in (None, (), False, "") else f", {default} if left out"
    return (parameter.help or ("" if parameter.flag else _words(parameter))) + shown


def _words(parameter: Parameter) -> str:
    wanted = plain(parameter.annotation)
    if wanted == Seconds:
        return "time: 2, 2s, 1m30s"
    if wanted is bytes:
        return "text, @FILE, or - for standard input"
    return type_words(wanted)


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(first) for first, _ in rows), default=0)
    return [f"{first:{width}}  {second}".rstrip() for first, second in rows]
