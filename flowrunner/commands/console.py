"""An interactive console: this terminal becomes the device's, or shows what somebody else sees."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from flowrunner.beside import beside
from flowrunner.commands.command import Command
from flowrunner.commands.copying import End, copy
from flowrunner.commands.escape import ESCAPE, Escape, keys
from flowrunner.commands.keeping import APPEND, RECORD, TIMESTAMPS, Keep, check_keeping, keeping
from flowrunner.commands.method import Parameter
from flowrunner.commands.streams import STREAM, WATCH, gone, opened, unused, watches
from flowrunner.commands.terminal import check_terminal, raw_terminal
from flowrunner.device import Device
from flowrunner.interface import ByteStream

LOG = Parameter("log", str | None, None, "Write what it says to this file too")
KEYS = Parameter("escape", str, ESCAPE, "Keys that leave, such as 'ctrl-]', 'ctrl-a x'")

CTRL_C = b"\x03"


def console_command(word: str = "console") -> Command:
    """`console`: this terminal becomes the device's."""
    help = (
        "Connect this terminal to the device; keys that are shown at the start leave.\n\n"
        "With --watch somebody else has it, and Ctrl-C leaves too. Exit status: 0 left, 3 the device or its exporter "
        "went away, 128+n ended by signal n."
    )
    options = (KEYS, WATCH, LOG, APPEND, TIMESTAMPS, RECORD, STREAM)
    return Command(word, help, (), _console, options, check=_check_console, looks_on=watches)


async def _console(node: Device, values: Mapping[str, Any]) -> int:
    with keeping(values, "log", node.name) as keep:
        async with opened(node, values) as stream:
            end = await _typed_into(stream, node, values, keep)
    return _left(node, end, values)


async def console_behind(node: Device, work: Callable[[], Awaitable[None]]) -> int:
    """Show what the console says while `work` is done; then this terminal is the console."""
    with keeping({}, "log", node.name) as keep:
        async with opened(node, {}) as stream:
            async with beside(lambda: copy(stream, None, 1, keep, ends=False)):
                await work()
            end = await _typed_into(stream, node, {}, keep)
    return _left(node, end, {})


async def _typed_into(stream: ByteStream, node: Device, values: Mapping[str, Any], keep: Keep) -> End:
    """Make this terminal the console, until it is left or lost."""
    escape = Escape(values.get("escape", ESCAPE))
    with raw_terminal() as handle:
        os.write(1, _greeting(node, escape, values).encode())
        source = _only_leaving(handle, escape) if watches(values) else keys(handle, escape)
        return await copy(stream, source, 1, keep, ends=True)


def _left(node: Device, end: End, values: Mapping[str, Any]) -> int:
    print(file=sys.stderr)
    if end is not End.OURS and not watches(values):
        raise gone(node)
    print(f"left {node.name}" if end is End.OURS else unused(node), file=sys.stderr)
    return 0


def _greeting(node: Device, escape: Escape, values: Mapping[str, Any]) -> str:
    if watches(values):
        return f"watching {node.name}, nothing is sent; Ctrl-C or {escape.words} leaves\r\n"
    return f"connected to {node.name}; {escape.words} leaves\r\n"


async def _only_leaving(handle: int, escape: Escape) -> AsyncIterator[bytes]:
    """Nothing, until the keys that leave, or Ctrl-C."""
    async for data in keys(handle, escape):
        if CTRL_C in data:
            return
        yield b""


def _check_console(values: Mapping[str, Any]) -> None:
    Escape(values.get("escape", ESCAPE))
    check_keeping(values, "log")
    check_terminal()
