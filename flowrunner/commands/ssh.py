"""What is done by SSH by hand: commands with their outputs and their status, and a shell at this terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread

from flowrunner.beside import beside
from flowrunner.commands.command import Command
from flowrunner.commands.copying import read_to_end
from flowrunner.commands.escape import Escape, keys
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import write_all
from flowrunner.commands.pipe import NO_INPUT
from flowrunner.commands.reading import usage
from flowrunner.commands.terminal import raw_terminal
from flowrunner.device import Device
from flowrunner.interfaces.ssh import Ssh, SshTerminal
from flowrunner.interfaces.ssh_session import Session

COMMAND = Parameter("command", Sequence[str], (), "The command; its words are joined by spaces, as ssh does it")
ENV = Parameter("env", Mapping[str, str] | None, None, "KEY=VALUE for its environment; may be repeated")


def ssh_commands() -> dict[str, Command]:
    """`run` and `shell`."""
    run = (
        "Run a command on the device; its outputs and its exit status become this command's.\n\n"
        "Standard input is sent when it is no terminal. Ctrl-C ends the command on the device too."
    )
    shell = (
        "Connect this terminal to a shell on the device, or to COMMAND. Ctrl-B three times in a row leaves; "
        "the device gets the first two."
    )
    return {
        "run": Command("run", run, (COMMAND,), _run, (ENV, NO_INPUT), {"-e": "--env", "-n": "--no-input"},
                       verbatim=True, check=_something),
        "shell": Command("shell", shell, (COMMAND,), _shell, verbatim=True, check=_at_terminal),
    }  # fmt: skip


def ssh_word(word: str) -> Command:
    """Any word that is no command of ours is one of the device: `flow device ssh uname -r`."""

    async def run(node: Device, values: Mapping[str, Any]) -> int:
        return await _run(node, {**values, "command": [word, *values.get("command", ())]})

    return Command(word, f"Run '{word}' on the device.", (COMMAND,), run, verbatim=True)


def _something(values: Mapping[str, Any]) -> None:
    if not values.get("command"):
        raise usage("COMMAND is missing", "'shell' gives a shell at this terminal")


def _at_terminal(values: Mapping[str, Any]) -> None:
    if not os.isatty(sys.stdin.fileno()):
        raise usage("a shell needs a terminal, and standard input is none", "use run instead of shell")


async def _run(node: Device, values: Mapping[str, Any]) -> int:
    ssh = cast("Ssh", node.client)
    sends = not values.get("no_input") and not sys.stdin.isatty()
    env = {name: str(value) for name, value in (values.get("env") or {}).items()}
    async with ssh.session(" ".join(values["command"]), env or None) as stream:
        session = Session(stream)
        async with beside(partial(_fed, session, read_to_end(sys.stdin.fileno()) if sends else None)):
            return await _printed(session)


async def _shell(node: Device, values: Mapping[str, Any]) -> int:
    ssh = cast("Ssh", node.client)
    term, size = os.environ.get("TERM", "dumb"), os.get_terminal_size(sys.stdin.fileno())
    terminal = SshTerminal(term=term, columns=size.columns or 80, rows=size.lines or 24)
    async with ssh.session(" ".join(values.get("command", ())) or None, None, terminal) as stream:
        session, left = Session(stream), anyio.Event()
        with raw_terminal() as handle:
            os.write(1, f"connected to {node.name}; {Escape().words} leaves\r\n".encode())
            async with beside(partial(_typed, session, handle, left), partial(_resized, session, handle)) as tasks:
                status: list[int] = []

                async def shown() -> None:
                    status.append(await _printed(session))
                    left.set()

                tasks.start_soon(shown)
                await left.wait()
    if not status:
        print(f"\nleft {node.name}", file=sys.stderr)
    return status[0] if status else 0


async def _printed(session: Session) -> int:
    """Print what comes until the end; its status."""
    while True:
        piece = await session.receive()
        for handle, data in ((1, piece.stdout), (2, piece.stderr)):
            if data:
                await anyio.to_thread.run_sync(write_all, handle, data, abandon_on_cancel=True)
        if piece.status is not None:
            return piece.status


async def _fed(session: Session, source: AsyncIterator[bytes] | None) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        if source:
            async for data in source:
                await session.send(data)
        await session.end_input()


async def _typed(session: Session, handle: int, left: anyio.Event) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for data in keys(handle, Escape()):
            if data:
                await session.send(data)
        left.set()


async def _resized(session: Session, handle: int) -> None:
    """Tell the device of each new size of the window."""
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            size = os.get_terminal_size(handle)
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await session.resize(size.columns, size.lines)
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
