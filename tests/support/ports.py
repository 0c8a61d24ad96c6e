"""Serial ports without hardware: pseudo terminals, `socat` behind one, and terminal servers on top of one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import free_port

OF_PYSERIAL = pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated")
"""For tests of RFC 2217: how pyserial's client starts its thread."""

START_LIMIT = 20.0
"""Seconds that a program may take to start, on a machine with much else to do."""


class Far:
    """The target's end of a port of this host, which is at `path`."""

    def __init__(self) -> None:
        self.handle, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.path = Path(os.ttyname(self._theirs))

    def write(self, data: bytes) -> None:
        threading.Thread(target=self._write, args=(data,), daemon=True).start()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self.handle, left) :]

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count and select.select([self.handle], [], [], 5)[0]:
            data += os.read(self.handle, 65536)
        return data

    def speed(self) -> int:
        """The speed that the port was set to, as the kernel numbers it: `termios.B115200`."""
        return int(termios.tcgetattr(self._theirs)[5])

    def hangs_up(self) -> bool:
        """Whether the lines would fall when the port is closed."""
        return bool(termios.tcgetattr(self._theirs)[2] & termios.HUPCL)

    def unplug(self) -> None:
        for handle in (self.handle, self._theirs):
            if handle >= 0:
                os.close(handle)
        self.handle = self._theirs = -1


@contextmanager
def echo(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A port at `path` that gives back what it is sent, by `socat`; ending the process unplugs it."""
    path.unlink(missing_ok=True)
    process = subprocess.Popen(["socat", f"PTY,link={path},raw,echo=0", "EXEC:cat"])
    try:
        _until(path.exists, process)
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Ser2net:
    """A running `ser2net`, at a port of loopback."""

    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def ser2net(folder: Path, device: Path, accepter: str, port: int = 0) -> Iterator[Ser2net]:
    """A `ser2net` for `device`; `accepter` is `tcp` or `telnet(rfc2217),tcp`. A free port of loopback, or `port`."""
    port, file = port or free_port(), folder / "ser2net.yaml"
    file.write_text(
        f"connection: &one\n  accepter: {accepter},127.0.0.1,{port}\n"
        f"  connector: serialdev(nouucplock),{device},115200n81,local\n"
    )
    with (folder / "ser2net.log").open("ab") as log:
        process = subprocess.Popen(
            ["ser2net", "-n", "-d", "-c", file], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _until(lambda: _listens(port), process)
        yield Ser2net(port, process)
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def adapter(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The config of a console on a port of this host that gives back what it is sent."""
    with echo(folder / "ttyUSB0"):
        yield {"url": str(folder / "ttyUSB0")}


@asynccontextmanager
async def terminal_server(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The config of a console on such a port behind `ser2net`."""
    with echo(folder / "ttyUSB0"), ser2net(folder, folder / "ttyUSB0", "telnet(rfc2217),tcp") as server:
        yield {"url": f"rfc2217://127.0.0.1:{server.port}"}


@dataclass
class LinesServer:
    """pyserial's server side of RFC 2217 over its loop, in which DTR is DSR and RTS is CTS."""

    process: subprocess.Popen[str]
    port: int
    moved: list[str] = field(default_factory=list)
    """What moved at the port so far: `dtr 0`, `rts 1`, `break 1`, `purge`, `baudrate 9600`, each time."""

    def follow(self) -> None:
        """Note what moves."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.moved.append(line.strip())


SERVER = """
import serial, serial.rfc2217, socket, sys, threading
from serial.urlhandler import protocol_loop
server = None
def tell(*words):
    if server: print(*words, flush=True)
class Port(protocol_loop.Serial):
    def _update_dtr_state(self): tell("dtr", int(self._dtr_state)); super()._update_dtr_state()
    def _update_rts_state(self): tell("rts", int(self._rts_state)); super()._update_rts_state()
    def _update_break_state(self): tell("break", int(self._break_state)); super()._update_break_state()
    def _reconfigure_port(self): super()._reconfigure_port(); tell("baudrate", self._baudrate)
    def reset_input_buffer(self): tell("purge"); super().reset_input_buffer()
    def reset_output_buffer(self): tell("purge"); super().reset_output_buffer()
port = Port("loop://", timeout=0.02)
server = socket.create_server(("127.0.0.1", 0))
tell(server.getsockname()[1])
while True:
    peer, _ = server.accept()
    ended = threading.Event()
    class Out:
        def write(self, data): peer.sendall(data)
    manager = serial.rfc2217.PortManager(port, Out())
    def pump(peer=peer, manager=manager, ended=ended):
        try:
            while not ended.is_set():
                manager.check_modem_lines(force_notification=False)
                if data := port.read(port.in_waiting or 1):
                    peer.sendall(b"".join(manager.escape(data)))
        except OSError:
            pass
    threading.Thread(target=pump, daemon=True).start()
    while data := peer.recv(4096):
        port.write(b"".join(manager.filter(data)))
    ended.set()
    peer.close()
"""


@contextmanager
def lines_server() -> Iterator[LinesServer]:
    """A server whose port has modem lines, at a port of loopback."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    server = LinesServer(process, int(process.stdout.readline()))
    follower = threading.Thread(target=server.follow, daemon=True)
    follower.start()
    try:
        yield server
    finally:
        process.kill()
        process.wait()
        follower.join(5)
        process.stdout.close()


def _listens(port: int) -> bool:
    """Whether a server listens, without connecting to it: the port behind it would be opened."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def _until(there: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(there)
    deadline = time.monotonic() + START_LIMIT
    while not there():
        assert process.poll() is None, "it ended at once; what it said is above"
        assert time.monotonic() < deadline, "it did not come up"
        time.sleep(0.01)
