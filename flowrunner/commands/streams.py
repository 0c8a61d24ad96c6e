"""Byte streams of a part: an interactive console, a pipe, and doors on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio

from flowrunner.beside import beside
from flowrunner.commands.command import Command, open_output
from flowrunner.commands.copying import copy, read_to_end, typed
from flowrunner.commands.method import Parameter
from flowrunner.commands.reading import usage
from flowrunner.commands.terminal import Escape, check_terminal, raw_terminal
from flowrunner.device import Device
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.model import Seconds

STREAM = Parameter("stream", str, "connect", "Which of the part's streams")
OUTPUT = Parameter("output", str | None, None, "Write what it says to this file instead")
APPEND = Parameter("append", bool, False, "Add to that file instead of replacing it")
INPUT = Parameter("input", bool, False, "Send standard input also when it is a terminal")
NO_INPUT = Parameter("no_input", bool, False, "Send nothing")
TIMEOUT = Parameter("timeout", Seconds | None, None, "Stop after so long: 2, 2s, 1m30s")
NO_OUTPUT = Parameter("no_output", bool, False, "Do not wait for an answer: end with the input")

Open = Callable[[], AbstractAsyncContextManager[ByteStream]]


def opened(node: Device, values: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
    """The stream of `node` that `--stream` names, `connect` by default."""
    stream: AbstractAsyncContextManager[ByteStream] = getattr(node.client, values.get("stream", "connect"))()
    return stream


def console_command(word: str = "console") -> Command:
    """`console`: this terminal becomes the device's."""
    help = "Connect this terminal to the device. Ctrl-B three times in a row leaves; those keys are sent too."
    return Command(word, help, (), _console, (STREAM,), check=lambda values: check_terminal())


def pipe_command() -> Command:
    """`pipe`: standard input to the device, what it says to standard output."""
    help = (
        "Copy standard input to the device and what it says to standard output.\n\n"
        "Standard input is sent when it is no terminal. It ends when the device closes the stream."
    )
    options = (OUTPUT, APPEND, INPUT, NO_INPUT, NO_OUTPUT, TIMEOUT, STREAM)
    spellings = {"-o": "--output", "-a": "--append", "-i": "--input"}
    return Command("pipe", help, (), _pipe, options, spellings, check=_check_pipe)


async def _console(node: Device, values: Mapping[str, Any]) -> int:
    async with opened(node, values) as stream:
        lost = await _typed_into(stream, node.name)
    return _left(node.name, lost=lost)


async def console_behind(node: Device, work: Callable[[], Awaitable[None]]) -> int:
    """Show what the console says while `work` is done; then this terminal is the console."""
    async with opened(node, {}) as stream:
        async with beside(lambda: copy(stream, None, 1, ends=False)):
            await work()
        lost = await _typed_into(stream, node.name)
    return _left(node.name, lost=lost)


async def _typed_into(stream: ByteStream, name: str) -> bool:
    """Make this terminal the console, until it is left or lost."""
    with raw_terminal() as handle:
        os.write(1, f"connected to {name}; Ctrl-B three times leaves\r\n".encode())
        escape = Escape()

        async def keys() -> AsyncIterator[bytes]:
            async for data in typed(handle):
                yield data
                if escape.leaves(data):
                    return

        return await copy(stream, keys(), 1, ends=True)


def _left(name: str, *, lost: bool) -> int:
    print(f"\nleft {name}" if not lost else f"\n{name} closed the connection", file=sys.stderr)
    return 0


async def _pipe(node: Device, values: Mapping[str, Any]) -> int:
    silent, source = bool(values.get("no_output")), _input(values)
    path = values.get("output")
    handle = open_output(Path(path), append=bool(values.get("append"))) if path else sys.stdout.fileno()
    lost = False
    try:
        async with opened(node, values) as stream:
            half = node.offers(Network)  # a console that is half closed may be lost to its device
            with anyio.move_on_after(values.get("timeout")):
                lost = await copy(stream, source, None if silent else handle, ends=silent, half=half)
    finally:
        if path:
            os.close(handle)
    if lost:
        print(f"{node.name} closed the connection", file=sys.stderr)
    return 0


def _check_pipe(values: Mapping[str, Any]) -> None:
    if values.get("append") and not values.get("output"):
        raise usage("--append needs --output FILE")
    for one, other in (("no_output", "output"), ("input", "no_input")):
        if values.get(one) and values.get(other):
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise usage(" and ".join(names) + " exclude each other")
    if values.get("no_output") and not _sends(values):
        raise usage("--no-output needs standard input", "pipe something into it, or say --input")


def _sends(values: Mapping[str, Any]) -> bool:
    """Whether standard input is to be sent."""
    return bool(values.get("input")) or not (values.get("no_input") or sys.stdin.isatty())


def _input(values: Mapping[str, Any]) -> AsyncIterator[bytes] | None:
    return read_to_end(sys.stdin.fileno()) if _sends(values) else None
