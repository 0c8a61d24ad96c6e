"""The answer to one request: a transfer of its own, with a line in the log."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from flowrunner.model import Duration, Size
from flowrunner_drivers._rooted import in_thread
from flowrunner_drivers.tftp._arrival import Arrival, answering
from flowrunner_drivers.tftp._opening import opened
from flowrunner_drivers.tftp._options import Limits
from flowrunner_drivers.tftp._packets import Code, Refusal, Request, error
from flowrunner_drivers.tftp._transfer import Broken, Transfer

log = logging.getLogger(__name__)

STOPPING = error(Code.UNDEFINED, "the server was stopped")


@dataclass(frozen=True, slots=True)
class Rules:
    """How files are served. `absolute`: whether `/name` stands for `name`; `most`: transfers at the same time."""

    root: Path
    limits: Limits
    retries: int
    absolute: bool
    most: int


class Answer:
    """One request being answered by its `task`, which never fails."""

    def __init__(self, arrival: Arrival, request: Request, rules: Rules) -> None:
        self.arrival = arrival
        self._name = ascii(request.name)
        self._transfer: Transfer | None = None
        self._farewell = STOPPING
        self.task = asyncio.create_task(self._run(request, rules))

    @property
    def begun(self) -> bool:
        """Whether the client has reacted to it."""
        return bool(self._transfer and self._transfer.begun)

    def drop(self) -> None:
        """End it without a word: the client has begun anew."""
        self._farewell = b""
        self.task.cancel()

    async def _run(self, request: Request, rules: Rules) -> None:
        try:
            with answering(self.arrival) as sock:
                await self._answer(sock, request, rules)
        except OSError as problem:
            log.warning("TFTP: %s could not be answered: %s", self.arrival.who, problem)

    async def _answer(self, sock: socket.socket, request: Request, rules: Rules) -> None:
        try:
            content = await in_thread(partial(opened, request, rules.root, rules.limits, rules.absolute))
        except Refusal as refusal:
            log.warning("TFTP: %s did not get %s: %s", self.arrival.who, self._name, refusal.text)
            sock.send(refusal.packet(), socket.MSG_DONTWAIT)
            return
        start = monotonic()
        with content:
            transfer = self._transfer = Transfer(sock, content, rules.retries)
            if await self._send(sock, transfer):
                log.info(
                    "TFTP: %s got %s: %s (%d bytes) in %s, blksize %d, windowsize %d, %d packets sent again",
                    self.arrival.who, self._name, Size(content.size), content.size, Duration(monotonic() - start),
                    content.agreed.blksize, content.agreed.windowsize, transfer.again,
                )  # fmt: skip

    async def _send(self, sock: socket.socket, transfer: Transfer) -> bool:
        """Whether all of it arrived."""
        try:
            await transfer.run()
        except asyncio.CancelledError:
            if self._farewell:
                sock.send(self._farewell, socket.MSG_DONTWAIT)
            raise
        except Broken as problem:
            log.warning("TFTP: %s did not get all of %s: %s", self.arrival.who, self._name, problem)
            return False
        except OSError as problem:
            log.warning("TFTP: %s did not get all of %s: %s", self.arrival.who, self._name, problem)
            sock.send(error(Code.UNDEFINED, problem.strerror or str(problem)), socket.MSG_DONTWAIT)
            return False
        return True
