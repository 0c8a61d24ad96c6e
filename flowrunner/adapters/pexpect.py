"""A console for pexpect."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from pexpect.fdpexpect import fdspawn

from flowrunner.beside import beside
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.net.stream import SocketStream

DRAIN = 5.0
"""Seconds that what was sent last has to reach the device."""


@asynccontextmanager
async def pexpect_on(console: Console, *, timeout: float = 30.0, **options: Any) -> AsyncIterator[Any]:
    """Connect to a console; gives a `pexpect.fdpexpect.fdspawn`, for which `options` are.

    Its methods block: call them in a thread, or `await child.expect(..., async_=True)`. A console that ends, or that is
    lost, is `pexpect.EOF` there.

    Raises:
        BenchError: the console could not be connected, or was lost.
    """
    ours, theirs = socket.socketpair()
    near = SocketStream(ours, "pexpect")
    sent = anyio.Event()
    with theirs:
        try:
            async with console.connect() as far, beside() as tasks:
                tasks.start_soon(_shown, far, near)
                tasks.start_soon(_typed, near, far, sent)
                child = fdspawn(os.dup(theirs.fileno()), timeout=timeout, **options)
                try:
                    yield child
                finally:
                    if waiting := child.async_pw_transport:  # what pexpect awaits with
                        waiting[1].close()
                    child.close()
                with suppress(OSError):
                    theirs.shutdown(socket.SHUT_WR)
                with anyio.move_on_after(DRAIN):
                    await sent.wait()
        finally:
            near.close()


async def _shown(far: ByteStream, near: SocketStream) -> None:
    try:
        while True:
            await near.send(await far.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return
    finally:
        await near.send_eof()


async def _typed(near: SocketStream, far: ByteStream, sent: anyio.Event) -> None:
    try:
        while True:
            await far.send(await near.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError, BenchError):
        return
    finally:
        sent.set()
