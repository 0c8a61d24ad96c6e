"""A pipe: standard input to the device, what it says to standard output or a file."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio

from flowrunner.commands.command import Command
from flowrunner.commands.copying import End, copy, read_to_end
from flowrunner.commands.keeping import APPEND, RECORD, TIMESTAMPS, check_keeping, keeping
from flowrunner.commands.method import Parameter
from flowrunner.commands.reading import usage
from flowrunner.commands.streams import STREAM, WATCH, gone, opened, unused, watches
from flowrunner.device import Device
from flowrunner.interfaces.network import Network
from flowrunner.model import Seconds

OUTPUT = Parameter("output", str | None, None, "Write what it says to this file instead")
INPUT = Parameter("input", bool, False, "Send standard input also when it is a terminal")
NO_INPUT = Parameter("no_input", bool, False, "Send nothing")
TIMEOUT = Parameter("timeout", Seconds | None, None, "Stop after so long: 2, 2s, 1m30s")
LINGER = Parameter("linger", Seconds | None, None, "Stop so long behind the end of the input: 2, 2s, 1m30s")
NO_OUTPUT = Parameter("no_output", bool, False, "Do not wait for an answer: end with the input")


def pipe_command(*, watched: bool = True) -> Command:
    """`pipe`: standard input to the device, what it says to standard output. `watched` parts can be looked at."""
    help = (
        "Copy standard input to the device and what it says to standard output.\n\n"
        "Standard input is sent when it is no terminal. It ends when the device closes the stream, and with --linger "
        "or --no-output behind the end of the input."
    )
    options = (
        OUTPUT, APPEND, TIMESTAMPS, RECORD, INPUT, NO_INPUT, NO_OUTPUT, LINGER, TIMEOUT, *([WATCH] if watched else ()),
        STREAM,
    )  # fmt: skip
    spellings = {"-o": "--output", "-a": "--append", "-i": "--input"}
    return Command("pipe", help, (), _pipe, options, spellings, check=_check_pipe, looks_on=watches)


async def _pipe(node: Device, values: Mapping[str, Any]) -> int:
    silent, source = bool(values.get("no_output")), _input(values)
    handle = None if silent or values.get("output") else sys.stdout.fileno()
    end = End.OURS
    with keeping(values, "output", node.name) as keep:
        async with opened(node, values) as stream:
            half = node.offers(Network)  # a console that is half closed may be lost to its device
            linger = 0.0 if silent else values.get("linger")
            with anyio.move_on_after(values.get("timeout")):
                end = await copy(stream, source, handle, keep, ends=silent, half=half, linger=linger)
    if end is End.UNSENT:
        raise gone(node, "before it had taken all of the input")
    if end is End.THEIRS:
        print(unused(node) if watches(values) else gone(node).what, file=sys.stderr)
    return 0


def _check_pipe(values: Mapping[str, Any]) -> None:
    check_keeping(values, "output")
    pairs = (
        ("no_output", "output"), ("no_output", "record"), ("no_output", "linger"), ("input", "no_input"),
        ("watch", "input"), ("watch", "no_output"), ("watch", "linger"),
    )  # fmt: skip
    for one, other in pairs:
        if values.get(one) and values.get(other):
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise usage(" and ".join(names) + " exclude each other")
    for option in ("no_output", "linger"):
        if values.get(option) is not None and values.get(option) is not False and not _sends(values):
            raise usage(f"--{option.replace('_', '-')} needs standard input", "pipe something into it, or say --input")


def _sends(values: Mapping[str, Any]) -> bool:
    """Whether standard input is to be sent."""
    quiet = values.get("no_input") or watches(values) or sys.stdin.isatty()
    return bool(values.get("input")) or not quiet


def _input(values: Mapping[str, Any]) -> AsyncIterator[bytes] | None:
    return read_to_end(sys.stdin.fileno()) if _sends(values) else None
