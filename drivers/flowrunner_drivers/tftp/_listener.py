"""The port that requests come to: each one is answered by a transfer of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from flowrunner.model import Duration, Size
from flowrunner_drivers._rooted import LeadsOut, NotAFile, open_inside
from flowrunner_drivers.tftp._arrival import Arrival, receive, reply_socket
from flowrunner_drivers.tftp._content import Content, Netascii
from flowrunner_drivers.tftp._options import Agreed, Limits, agree
from flowrunner_drivers.tftp._packets import Code, Refusal, Request, error, read
from flowrunner_drivers.tftp._transfer import Broken, Transfer

log = logging.getLogger(__name__)

BURST = 64
"""Requests that are taken before the event loop has its turn."""

STOPPING = error(Code.UNDEFINED, "the server was stopped")


@dataclass(frozen=True, slots=True)
class Rules:
    """How files are served. `absolute`: whether `/name` stands for `name`; `most`: transfers at the same time."""

    root: Path
    limits: Limits
    retries: int
    absolute: bool
    most: int


@dataclass(slots=True)
class _Running:
    packet: bytes
    task: asyncio.Task[None] | None = None
    transfer: Transfer | None = None


class Listener:
    """Answers the requests that come to `sock`, which it closes in the end."""

    def __init__(self, sock: socket.socket, rules: Rules) -> None:
        self.address: Any = sock.getsockname()
        self._socket = sock
        self._rules = rules
        self._running: dict[Any, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(sock, self._readable)

    async def close(self) -> None:
        """Take no more requests, and end all transfers."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                arrival = receive(self._socket)
            except BlockingIOError:
                return
            except OSError as problem:
                return log.warning("the TFTP port could not be read: %s", problem)
            self._take(arrival)

    def _take(self, arrival: Arrival) -> None:
        before = self._running.get(arrival.peer)
        if before and before.task:
            if before.packet == arrival.packet and not (before.transfer and before.transfer.begun):
                return  # asked again before our answer came: that is on its way, or will be sent again
            before.task.cancel()  # a client that starts anew from the same port
        running = self._running[arrival.peer] = _Running(arrival.packet)
        task = running.task = asyncio.create_task(self._answer(arrival, running))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._forget(arrival.peer, running))

    def _forget(self, peer: Any, running: _Running) -> None:
        if running.task:
            self._tasks.discard(running.task)
        if self._running.get(peer) is running:
            del self._running[peer]

    async def _answer(self, arrival: Arrival, running: _Running) -> None:
        if arrival.packet[:2] == b"\0\5":  # an ERROR is never answered (RFC 1350, section 7)
            return
        try:
            with reply_socket(arrival) as sock:
                await self._serve(sock, arrival, running)
        except OSError as problem:
            log.warning("a TFTP request of %s could not be answered: %s", arrival.who, problem)

    async def _serve(self, sock: socket.socket, arrival: Arrival, running: _Running) -> None:
        name = "what it asked for"
        try:
            request = read(arrival.packet)
            name = ascii(request.name)
            if len(self._tasks) > self._rules.most:
                raise Refusal(Code.UNDEFINED, f"there are {self._rules.most} transfers already, try again later")
            content, agreed = await asyncio.to_thread(self._open, request)
        except Refusal as refusal:
            log.warning("TFTP: %s did not get %s: %s", arrival.who, name, refusal.text)
            sock.sendto(refusal.packet(), arrival.peer)
            return
        running.transfer = Transfer(sock, arrival.peer, content, agreed, self._rules.retries)
        try:
            await self._send(sock, arrival, running.transfer, name, content)
        finally:
            content.close()

    def _open(self, request: Request) -> tuple[Content, Agreed]:
        """Open what is asked for.

        Raises:
            Refusal: it cannot be had.
        """
        name = request.name.lstrip("/") if self._rules.absolute else request.name
        try:
            file = open_inside(self._rules.root, name)
        except LeadsOut as problem:
            raise Refusal(Code.ACCESS, "the name leads out of the served folder") from problem
        except NotAFile as problem:
            raise Refusal(Code.NOT_FOUND, "this is no file") from problem
        except PermissionError as problem:
            raise Refusal(Code.ACCESS, "the file may not be read") from problem
        except OSError as problem:
            raise Refusal(Code.NOT_FOUND, "there is no such file") from problem
        asked = request.options
        if not request.netascii:
            agreed = agree(asked, self._rules.limits, (content := Content(file, 512)).size)
        return _prepared(file, request, self._rules.limits)

    async def _send(
        self, sock: socket.socket, arrival: Arrival, transfer: Transfer, name: str, content: Content
    ) -> None:
        start = monotonic()
        try:
            await transfer.run()
        except asyncio.CancelledError:
            sock.sendto(STOPPING, arrival.peer)
            raise
        except (Broken, OSError) as problem:
            log.warning("TFTP: %s did not get all of %s: %s", arrival.who, name, problem)
            if isinstance(problem, OSError):
                sock.sendto(error(Code.UNDEFINED, problem.strerror or str(problem)), arrival.peer)
            return
        took = monotonic() - start
        log.info(
            "TFTP: %s got %s, %s in %s, %d packets sent again",
            arrival.who, name, Size(content.size), Duration(took), transfer.again,
        )  # fmt: skip
