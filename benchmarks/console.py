"""Consoles: how fast a long boot log is matched, how late an expect returns, how much memory an endless console takes.

`python -m benchmarks.console follow pty|tcp WHERE BYTES TICKS` is one measurement of ours in a fresh process.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio

from benchmarks._far_end import LINE, MARKER, peak_memory
from benchmarks.harness import PEERS, Row
from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import Line
from flowrunner.console.reader import ConsoleReader
from flowrunner.console.session import LogSession
from flowrunner.interface import Direct
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration
from flowrunner_drivers.console.serial import SerialConsole, SerialConsoleConfig

HERE = Path(__file__).parent
BOOT = 10 << 20
ENDLESS = 1 << 30
TICKS = 100
RUNS = 5
PEER_SIZE: dict[tuple[str, str], int] = {("labgrid", "pty"): BOOT, ("labgrid", "tcp"): 100_000}
"""Bytes for a peer that would take hours for all of them."""

Kind = Literal["pty", "tcp"]


def measure() -> Iterator[Row]:
    """Ours beside labgrid's SerialDriver and pexpect."""
    yield Row("console: 10 MiB in memory, to a final marker", asyncio.run(_in_memory("FINAL MARKER")), "MB/s",
              goal=100, better="more")  # fmt: skip
    yield Row("console: the same, a pattern without a literal", asyncio.run(_in_memory("(?i)final marker")), "MB/s",
              better="more")  # fmt: skip
    for kind, goal in (("pty", 0.4), ("tcp", 0.5)):
        runs = [_ours(kind, BOOT, TICKS) for _ in range(RUNS)]
        ours = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        limit = statistics.median(_plain(kind, BOOT) for _ in range(RUNS))
        yield Row(f"console: 10 MiB over {kind}, logged and matched", ours["rate"], "MB/s", peer=limit,
                  peer_name="only reading", better="more")  # fmt: skip
        for peer in ("labgrid", "pexpect"):
            theirs = _peer(peer, kind)
            note = "" if theirs else f"{peer} is not installed: make bench does it"
            rate, p50 = (theirs["rate"], theirs["p50"]) if theirs else (None, None)
            yield Row(f"console: 10 MiB over {kind}", ours["rate"], "MB/s", peer=rate, peer_name=peer, better="more",
                      note=note)  # fmt: skip
            yield Row(f"console: write to expect returned over {kind}, p50", ours["p50"], "ms", goal=goal, peer=p50,
                      peer_name=peer, note=note)  # fmt: skip
    memory = _ours("tcp", ENDLESS, 1)
    theirs = _peer("labgrid", "pty")
    yield Row("console: memory while following 1 GiB", memory["memory"], "MB", goal=80,
              peer=theirs["memory"] if theirs else None, peer_name="labgrid for 10 MiB",
              note=f"at {memory['rate']:.0f} MB/s")  # fmt: skip


async def _in_memory(pattern: str) -> float:
    """Megabytes a second that an expect gets through when all of it is there already."""
    with tempfile.TemporaryDirectory(dir=".cache") as folder:
        log = ConsoleLog(Path(folder) / "c.log", clock=lambda: Duration(anyio.current_time()), window=2 * BOOT)
        for _ in range(BOOT // len(LINE)):
            log.append(LINE)
        log.append(MARKER)
        log.flush()
        rates = []
        for _ in range(5):
            session = LogSession("dut", log, _nowhere)
            start = time.perf_counter()
            await session.expect([Line(pattern)], within=60)
            rates.append(log.end / 1e6 / (time.perf_counter() - start))
        log.close()
        return statistics.median(rates)


async def _nowhere(data: bytes, delay: float) -> None:
    raise AssertionError("nothing is sent here")


@contextmanager
def _far_end(kind: str) -> Iterator[str]:
    """A far end in its own process; gives the pty's path or the port."""
    spare = -1
    if kind == "pty":
        handle, spare = pty.openpty()
        where = os.ttyname(spare)
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        handle, where = listener.fileno(), str(listener.getsockname()[1])
    process = subprocess.Popen([sys.executable, HERE / "_far_end.py", kind, str(handle)], pass_fds=[handle])
    try:
        yield where
    finally:
        process.kill()
        process.wait()
        os.close(handle) if kind == "pty" else listener.close()
        if spare >= 0:
            os.close(spare)


def _ours(kind: str, size: int, ticks: int) -> dict[str, float]:
    return _measured(kind, [sys.executable, "-m", "benchmarks.console", "follow"], size, ticks)


def _peer(peer: str, kind: str) -> dict[str, float] | None:
    python = PEERS / "python"
    package = subprocess.run([python, "-c", f"import {peer}"], capture_output=True).returncode if python.exists() else 1
    if package:
        return None
    size = PEER_SIZE.get((peer, kind), BOOT)
    return _measured(kind, [str(python), str(HERE / "_console_peer.py"), peer], size, 50)


def _plain(kind: str, size: int) -> float:
    """Megabytes a second of a program that only reads: the limit of the transport."""
    reader = (
        "import os,socket,sys,time,tty\n"
        "kind,where,size=sys.argv[1],sys.argv[2],int(sys.argv[3])\n"
        "h=os.open(where,os.O_RDWR|os.O_NOCTTY) if kind=='pty' else "
        "socket.create_connection(('127.0.0.1',int(where))).detach()\n"
        "kind=='pty' and tty.setraw(h)\n"
        "t=time.perf_counter(); os.write(h,b'flood %d\\n'%size); n=0\n"
        "while n<size: n+=len(os.read(h,65536))\n"
        "print('{\"rate\": %f}' % (size/1e6/(time.perf_counter()-t)))\n"
    )
    return _measured(kind, [sys.executable, "-c", reader], size, 0)["rate"]


def _measured(kind: str, command: list[str], size: int, ticks: int) -> dict[str, float]:
    with _far_end(kind) as where:
        done = subprocess.run([*command, kind, where, str(size), str(ticks)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} exited {done.returncode}: {done.stderr[-800:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


async def _follow(kind: Kind, where: str, size: int, ticks: int) -> dict[str, Any]:
    url = where if kind == "pty" else f"socket://127.0.0.1:{where}"
    client = Console.client(Direct(SerialConsole(SerialConsoleConfig(url=url))))
    with tempfile.TemporaryDirectory(dir=".cache") as folder:
        log = ConsoleLog(Path(folder) / "c.log", clock=lambda: Duration(anyio.current_time()))
        reader = ConsoleReader("dut.console", client, log, clock=lambda: Duration(anyio.current_time()))
        connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(reader.run(connected=connected))
        await asyncio.wait((task, connected), return_when=asyncio.FIRST_COMPLETED)
        delays = []
        await reader.session.send(b"tick %d\n" % ticks)
        for _ in range(ticks):
            match = await reader.session.expect([Line(r"MARK (?P<at>\d+)")], within=60)
            delays.append(time.monotonic_ns() - int(match.groups["at"]))
        start = time.perf_counter()
        await reader.session.send(b"flood %d\n" % size)
        await reader.session.expect([Line("FINAL MARKER")], within=600)
        seconds = time.perf_counter() - start
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return {"rate": size / 1e6 / seconds, "p50": statistics.median(delays) / 1e6, "memory": peak_memory()}


if __name__ == "__main__":
    _, _, kind, where, size, ticks = sys.argv
    print(json.dumps(asyncio.run(_follow("pty" if kind == "pty" else "tcp", where, int(size), int(ticks)))))
