"""The port that requests come to."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

from flowrunner_drivers.tftp._answer import Answer, Rules
from flowrunner_drivers.tftp._arrival import Arrival, receive
from flowrunner_drivers.tftp._packets import ERROR, Code, Refusal, Request, read

log = logging.getLogger(__name__)

BURST = 64
"""Requests that are taken before the event loop has its turn."""


class Listener:
    """Answers the requests that come to `sock`, which it closes in the end."""

    def __init__(self, sock: socket.socket, rules: Rules) -> None:
        self.port: int = sock.getsockname()[1]
        self._socket = sock
        self._rules = rules
        self._answers: dict[Any, Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(sock, self._readable)

    async def close(self) -> None:
        """Take no more requests, and end all transfers."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                arrival = receive(self._socket)
            except BlockingIOError:
                return
            except OSError as problem:
                log.warning("TFTP: the port could not be read: %s", problem)
                return
            if arrival.packet[:2] != ERROR:  # is never answered (RFC 1350, section 7)
                self._take(arrival)

    def _take(self, arrival: Arrival) -> None:
        try:
            request = read(arrival.packet)
            before = self._answers.get(arrival.peer)
            if before:
                if before.arrival.packet == arrival.packet and not before.begun:
                    return  # asked again before our answer came: that is on its way, or will be sent again
                before.drop()  # a client that begins anew from the same port
            elif len(self._tasks) >= self._rules.most:
                raise Refusal(Code.UNDEFINED, f"there are {self._rules.most} transfers already, try again later")
            self._start(arrival, request)
        except Refusal as refusal:
            log.warning("TFTP: %s asked for what cannot be had: %s", arrival.who, refusal.text)
            with suppress(BlockingIOError):  # the client will ask again
                self._socket.sendto(refusal.packet(), arrival.peer)

    def _start(self, arrival: Arrival, request: Request) -> None:
        answer = self._answers[arrival.peer] = Answer(arrival, request, self._rules)
        self._tasks.add(answer.task)

        def forget(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._answers.get(arrival.peer) is answer:
                del self._answers[arrival.peer]

        answer.task.add_done_callback(forget)
