"""The far end of a console, in a process of its own: it floods, or prints lines with the time at which it wrote them.

Run as `_far_end.py pty FD` or `_far_end.py tcp FD`, where FD is a pty's master or a listening socket. It waits for a
line: `flood BYTES` or `tick COUNT`.
"""

from __future__ import annotations

import os
import socket
import sys
import time

LINE = b"[    1.234567] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n"
MARKER = b"FINAL MARKER reached\r\n"


def main(kind: str, handle: int) -> None:
    """Serve commands until the near end is gone."""
    if kind == "tcp":
        listener = socket.socket(fileno=handle)
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle = connection.fileno()
    pending = b""
    while data := _read(handle):
        pending += data
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            word, number = line.split()
            (_flood if word == b"flood" else _tick)(handle, int(number))


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 4096)
    except OSError:
        return b""


def _flood(handle: int, size: int) -> None:
    block = LINE * 800
    while size > 0:
        _write(handle, block[:size])
        size -= len(block)
    _write(handle, b"\r\n" + MARKER)


def _tick(handle: int, count: int) -> None:
    for _ in range(count):
        time.sleep(0.02)
        _write(handle, b"MARK %d\r\n" % time.monotonic_ns())


def peak_memory() -> float:
    """The most memory that this program had, in megabytes; ru_maxrss would count who started it, too."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
