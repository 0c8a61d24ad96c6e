"""One transfer: a socket of its own, sending until the last block is acknowledged."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

from flowrunner_drivers.tftp._content import BATCH, Content
from flowrunner_drivers.tftp._eager import Eager
from flowrunner_drivers.tftp._options import Agreed
from flowrunner_drivers.tftp._packets import HEADER, Op, oack
from flowrunner_drivers.tftp._window import Ack, Packet, Window

LONGEST = 516
"""Bytes of the longest packet that a client sends in a transfer: an ERROR with some text."""


class Broken(Exception):
    """The transfer ended before its end; the text says why."""


class Transfer:
    """Sends `content` as was agreed, over a socket that is connected to the client and may block.

    Without an ACK the window is sent again, at most `retries` times.
    """

    def __init__(self, sock: socket.socket, content: Content, agreed: Agreed, retries: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._content = content
        self._agreed = agreed
        self._retries = retries
        self._tries = 0
        self._eager = Eager(sock)
        self._window = Window(0 if agreed.answer else 1, agreed.windowsize)
        self._low = max(agreed.windowsize, BATCH // (agreed.blksize + HEADER.size)) // 2 + agreed.windowsize
        self._filling: asyncio.Future[list[memoryview]] | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._step: tuple[bytes, Packet] | None = None
        self._due = self._resent = False
        self._began = self._sent = 0.0
        self._quickest = agreed.timeout
        self.begun = False

    @property
    def again(self) -> int:
        """How many packets were sent more than once."""
        return self._window.again

    async def run(self) -> None:
        """Send all of it.

        Raises:
            Broken: the client ended it, or is silent.
            OSError: the file cannot be read, or the network is down.
        """
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._room())
        if self._agreed.answer:
            self._window.add([oack(self._agreed.answer)])
        self._loop.add_reader(self._socket, self._readable)
        Eager.transfers += 1
        try:
            self._send()
            self._tick()
            await self._ended
        finally:
            Eager.transfers -= 1
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            if self._timer:
                self._timer.cancel()
            if self._filling:  # it reads the file, which is closed behind us
                await asyncio.wait([self._filling])

    def _room(self) -> int:
        return min(4 * self._agreed.windowsize * (self._agreed.blksize + HEADER.size), 1 << 22)

    def _send(self) -> None:
        """Send what may be sent, and have more made when few packets are left."""
        self._due = False
        self._began = monotonic()
        try:
            for packet in self._window.due():
                self._socket.send(packet, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._loop.add_writer(self._socket, self._writable)
        except OSError as error:
            self._end(error)
        self._was_sent(monotonic())

    def _was_sent(self, now: float) -> None:
        self._sent = now
        self._step = self._window.in_step()
        if len(self._window) < self._low and not self._filling and not self._content.ended:
            self._filling = asyncio.ensure_future(asyncio.to_thread(self._content.packets))
            self._filling.add_done_callback(self._filled)

    def _filled(self, made: asyncio.Future[list[memoryview]]) -> None:
        self._filling = None
        if made.cancelled():
            return
        if reason := made.exception():
            self._end(reason)
        else:
            self._window.add(made.result())
            self._send()

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._send()

    def _readable(self) -> None:
        self._eager.begin()
        flags: int = socket.MSG_DONTWAIT
        try:
            while not self._ended.done():
                packet = self._socket.recv(LONGEST, flags)
                if not self._step or packet != self._step[0]:
                    self._take(packet)
                    flags = socket.MSG_DONTWAIT
                    continue
                self._socket.send(self._step[1], socket.MSG_DONTWAIT)  # at once; all else can be done behind it
                self._stepped()
                if not self._eager.waits(self._sent):
                    return
                flags = 0
        except BlockingIOError:
            if flags == 0:
                self._eager.took(monotonic() - self._sent)
            if self._due:
                self._send()
        except OSError as error:
            self._end(error)

    def _stepped(self) -> None:
        now = monotonic()
        self._eager.took(now - self._sent)
        self._window.step()
        self.begun = True
        self._tries = 0
        self._was_sent(now)

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
            case Ack.SAME if self._lost(now):
                self._window.rewind()
                self._due = self._resent = True

    def _news(self, now: float) -> None:
        self.begun = True
        self._tries = 0
        self._resent = False
        self._quickest = min(self._quickest, now - self._sent)
        if not self._window and not self._filling and self._content.ended:
            self._end(None)
        elif self._agreed.windowsize == 1:
            self._send()
        else:
            self._due = True  # when all is read that came, so that a doubled ACK is seen as such

    def _lost(self, now: float) -> bool:
        """Whether the same ACK again means that the first block of the window was lost.

        With one block at a time it never does (RFC 1123, section 4.2.3.1). In a larger window it does, but not when it
        comes sooner than an answer can: then the network doubled it. One answer to it is enough.
        """
        sent = self._agreed.windowsize > 1 and self._window.sent and not self._resent
        return bool(sent) and now - self._began >= self._quickest / 2

    def _tick(self) -> None:
        """Send again when nothing was heard for the agreed time."""
        due = self._sent + self._agreed.timeout
        if monotonic() >= due:
            if self._window.sent and self._tries >= self._retries:
                self._end(Broken(f"the client did not answer {self._tries + 1} times"))
                return
            self._tries += bool(self._window.sent)
            self._window.rewind()
            self._send()
            due = self._sent + self._agreed.timeout
        self._timer = self._loop.call_later(due - monotonic(), self._tick)

    def _end(self, why: BaseException | None) -> None:
        if self._ended.done():
            return
        if why:
            self._ended.set_exception(why)
        else:
            self._ended.set_result(None)
