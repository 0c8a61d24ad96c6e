"""Doors on this machine that lead to where the device is, open until the command is ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio

from flowrunner.commands.command import Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.streams import STREAM, opened
from flowrunner.device import Device
from flowrunner.errors import FlowrunnerError
from flowrunner.net.datagrams import forward_udp
from flowrunner.net.forward import LOOPBACK, Forward, forward_tcp, forward_unix

HOST = Parameter("host", str, LOOPBACK, "The address to listen at")
PORT = Parameter("port", int, 0, "The port to listen at; any that is free when left out")
PATH = Parameter("path", Path | None, None, "Where the socket is made; in a private folder when left out")


def forward_tcp_command() -> Command:
    """`forward-tcp [PORT]`: a port here, each connection of which goes on to the part."""
    help = "Forward connections to a port of this machine to the part, until Ctrl-C."
    return Command("forward-tcp", help, (PORT,), _tcp, (HOST, STREAM), {"--address": "--host"})


def forward_unix_command() -> Command:
    """`forward-unix [PATH]`: a unix socket here, each connection of which goes on to the part."""
    help = "Forward connections to a unix socket of this machine to the part, until Ctrl-C."
    return Command("forward-unix", help, (PATH,), _unix, (STREAM,))


def forward_udp_command() -> Command:
    """`forward-udp [PORT]`: a port here, each sender to which gets a way of its own to the part."""
    help = "Forward datagrams to a port of this machine to the part, and the answers back, until Ctrl-C."
    return Command("forward-udp", help, (PORT,), _udp, (HOST, STREAM), {"--address": "--host"})


async def _tcp(node: Device, values: Mapping[str, Any]) -> int:
    host, port = values.get("host", LOOPBACK), values.get("port", 0)
    return await _open(node, forward_tcp(lambda: opened(node, values), host=host, port=port, on_error=told))


async def _unix(node: Device, values: Mapping[str, Any]) -> int:
    path = values.get("path")
    return await _open(node, forward_unix(lambda: opened(node, values), path=path, on_error=told))


async def _udp(node: Device, values: Mapping[str, Any]) -> int:
    host, port = values.get("host", LOOPBACK), values.get("port", 0)
    return await _open(node, forward_udp(lambda: opened(node, values), host=host, port=port, on_error=told))


async def _open(node: Device, door: AbstractAsyncContextManager[Forward]) -> int:
    async with door as forward:
        print(f"{forward} leads to {node.name}", flush=True)
        await anyio.sleep_forever()
    return 0


def told(error: FlowrunnerError) -> None:
    """Say why a connection ended; the others go on."""
    print(f"a connection ended: {error.what}", file=sys.stderr)
