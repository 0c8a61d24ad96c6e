"""A peer on a console, in its own environment: `_console_peer.py labgrid|pexpect pty|tcp WHERE BYTES TICKS`."""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import sys
import time
import tty
from typing import Any

from _far_end import peak_memory  # type: ignore[import-not-found,unused-ignore]


def labgrid(kind: str, where: str) -> Any:
    """Labgrid's SerialDriver, active."""
    from labgrid import Target  # type: ignore[import-not-found,unused-ignore]
    from labgrid.driver import SerialDriver  # type: ignore[import-not-found,unused-ignore]
    from labgrid.resource import NetworkSerialPort, RawSerialPort  # type: ignore[import-not-found,unused-ignore]

    target = Target("dut")
    if kind == "pty":
        RawSerialPort(target, name=None, port=where)
    else:
        NetworkSerialPort(target, name=None, host="127.0.0.1", port=int(where), protocol="raw")
    driver = SerialDriver(target, name=None)
    target.activate(driver)
    return driver


def pexpect(kind: str, where: str) -> Any:
    """A pexpect session over the file descriptor."""
    from pexpect.fdpexpect import fdspawn

    if kind == "pty":
        handle = os.open(where, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(handle)
        return fdspawn(handle, maxread=65536)
    connection = socket.create_connection(("127.0.0.1", int(where)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return fdspawn(connection.detach(), maxread=65536)


def main(peer: str, kind: str, where: str, size: int, ticks: int) -> None:
    """Measure both, print both."""
    console = {"labgrid": labgrid, "pexpect": pexpect}[peer](kind, where)
    delays = []
    console.sendline(f"tick {ticks}")
    for _ in range(ticks):
        found = console.expect([rb"MARK (\d+)\r\n"], timeout=60)
        match = console.match if peer == "pexpect" else found[2]
        delays.append(time.monotonic_ns() - int(match.group(1)))
    start = time.perf_counter()
    console.sendline(f"flood {size}")
    console.expect([re.compile(rb"FINAL MARKER reached")], timeout=600)
    seconds = time.perf_counter() - start
    print(json.dumps({"rate": size / 1e6 / seconds, "p50": statistics.median(delays) / 1e6, "memory": peak_memory()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
