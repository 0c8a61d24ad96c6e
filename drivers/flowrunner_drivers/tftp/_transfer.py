"""One transfer: a socket of its own, sending until the last block is acknowledged."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

from flowrunner_drivers.tftp._content import Content
from flowrunner_drivers.tftp._lockstep import LONGEST, Lockstep
from flowrunner_drivers.tftp._packets import HEADER, Op, oack
from flowrunner_drivers.tftp._rhythm import Rhythm
from flowrunner_drivers.tftp._supply import Supply
from flowrunner_drivers.tftp._window import Ack, Window

MOST_ROOM = 4 << 20
"""Bytes of windows on their way that the system is asked to hold."""


class Broken(Exception):
    """The transfer ended before its end; the text says why."""


class Transfer:
    """Sends `content` as was agreed, over a socket that is connected to the client and may block.

    Without an ACK the window is sent again, at most `retries` times.
    """

    def __init__(self, sock: socket.socket, content: Content, retries: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._agreed = content.agreed
        self._retries = retries
        self._tries = 0
        self._rhythm = Rhythm(self._agreed.timeout)
        self._supply = Supply(content, self._made)
        self._window = Window(0 if self._agreed.answer else 1, self._agreed.windowsize)
        self._lockstep = Lockstep(sock, self._window)
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.begun = False

    @property
    def again(self) -> int:
        """How many packets were sent more than once."""
        return self._window.again

    async def run(self) -> None:
        """Send all of it.

        Raises:
            Broken: the client ended it, or is silent, or gone.
            OSError: the file cannot be read, or the network is down.
        """
        room = 4 * self._agreed.windowsize * (self._agreed.blksize + HEADER.size)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, min(room, MOST_ROOM))
        if self._agreed.answer:
            self._window.add([oack(self._agreed.answer)])
        self._loop.add_reader(self._socket, self._readable)
        Lockstep.transfers += 1
        try:
            self._send()
            self._tick()
            await self._ended
        finally:
            Lockstep.transfers -= 1
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            if self._timer:
                self._timer.cancel()
            await self._supply.close()

    def _send(self) -> None:
        """Send what may be sent, and have more made when few packets are left."""
        self._due = False
        self._rhythm.begins(monotonic())
        try:
            for packet in self._window.due():
                self._socket.send(packet, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._loop.add_writer(self._socket, self._writable)
        except OSError as error:
            self._end(error)
        self._was_sent(monotonic())

    def _was_sent(self, now: float) -> None:
        self._rhythm.sent = now
        self._supply.left(len(self._window))

    def _made(self, made: list[memoryview] | BaseException) -> None:
        if isinstance(made, BaseException):
            self._end(made)
        else:
            self._window.add(made)
            self._send()

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._send()

    def _readable(self) -> None:
        try:
            while not self._ended.done():
                if self._window.in_step:
                    self._run()
                    return
                self._take(self._socket.recv(LONGEST, socket.MSG_DONTWAIT))
        except BlockingIOError:
            if self._due:
                self._send()
        except OSError as error:
            self._end(error)

    def _run(self) -> None:
        done, other = self._lockstep.run(self._rhythm.sent)
        if done:
            self.begun = True
            self._tries = 0
            self._was_sent(monotonic())
        if other:
            self._take(other)

    def _take(self, packet: bytes) -> None:
        """Do as a packet of the client says; what is neither ACK nor ERROR is no concern of ours."""
        if len(packet) < HEADER.size:
            return
        operation, number = HEADER.unpack_from(packet)
        if operation == Op.ERROR:
            text = packet[HEADER.size :].partition(b"\0")[0].decode(errors="replace")
            self._end(Broken(f"the client ended it: error {number} {text!r}"))
        if operation != Op.ACK:
            return
        now = monotonic()
        match self._window.acknowledge(number):
            case Ack.NEWS:
                self._news(now)
            case Ack.SAME if self._window.size > 1 and self._window.sent and self._rhythm.lost(now):
                self._window.rewind()
                self._due = True

    def _news(self, now: float) -> None:
        self.begun = True
        self._tries = 0
        self._rhythm.news(now)
        if not self._window and self._supply.ended:
            self._end(None)
        elif self._window.size == 1:
            self._send()
        else:
            self._due = True  # when all is read that came, so that a doubled ACK is seen as such

    def _tick(self) -> None:
        """Send again when nothing was heard for the agreed time."""
        due = self._rhythm.sent + self._agreed.timeout
        if monotonic() >= due:
            if self._window.sent and self._tries >= self._retries:
                self._end(Broken(f"the client did not answer {self._tries + 1} times"))
                return
            self._tries += bool(self._window.sent)
            self._window.rewind()
            self._send()
            due = self._rhythm.sent + self._agreed.timeout
        self._timer = self._loop.call_later(due - monotonic(), self._tick)

    def _end(self, why: BaseException | None) -> None:
        if self._ended.done():
            return
        if isinstance(why, ConnectionRefusedError):
            why = Broken("the client closed its port")
        if why:
            self._ended.set_exception(why)
        else:
            self._ended.set_result(None)
