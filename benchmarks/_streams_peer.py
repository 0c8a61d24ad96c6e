"""The real Jumpstarter's client on its own exporter: `_streams_peer.py KIND SIZE CHUNK`, in its own environment.

Prints seconds: for `sink` and `echo` of SIZE bytes in chunks of CHUNK, for `byte` of one of SIZE round trips, for
`file` of writing the file that is CHUNK's place.
"""

from __future__ import annotations

import statistics
import struct
import sys
import threading
import time
from typing import Any

HEAD = struct.Struct("!cQ")


def main(kind: str, size: int, chunk: str) -> float:
    """Connect, measure once."""
    from jumpstarter.utils.env import env  # type: ignore[import-not-found,unused-ignore]

    with env() as client:
        if kind == "file":
            start = time.perf_counter()
            client.files.write_from_path("target", chunk)
            return time.perf_counter() - start
        with client.net.stream() as stream:
            stream.send(HEAD.pack(b"s" if kind == "sink" else b"e", size))
            return {"sink": sink, "echo": echo, "byte": byte}[kind](stream, size, int(chunk))


def sink(stream: Any, size: int, chunk: int) -> float:
    """One way."""
    data = bytes(chunk)
    start = time.perf_counter()
    for _ in range(size // chunk):
        stream.send(data)
    assert stream.receive() == b"done"
    return time.perf_counter() - start


def echo(stream: Any, size: int, chunk: int) -> float:
    """Both ways at the same time."""
    data = bytes(chunk)

    def give() -> None:
        for _ in range(size // chunk):
            stream.send(data)

    start = time.perf_counter()
    thread = threading.Thread(target=give)
    thread.start()
    left = size
    while left > 0:
        left -= len(stream.receive())
    thread.join()
    return time.perf_counter() - start


def byte(stream: Any, size: int, chunk: int) -> float:
    """The median of many round trips."""
    times = []
    for _ in range(size):
        start = time.perf_counter()
        stream.send(b"x")
        stream.receive()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
