"""Port forwarding to a part of a bench, beside socat: one long stream, many short ones, and the way there and back."""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.harness import Row

PIECE = bytes(1 << 16)
LONG = 1 << 29
SHORT = 300
ECHOES = 5000
RUNS = 5


def measure() -> Iterator[Row]:
    """Each through a process of its own; the sink and the source are the same for all."""
    with ExitStack() as stack:
        sink = stack.enter_context(far_end())
        ports = {"ours": stack.enter_context(ours(sink))}
        if shutil.which("socat"):
            ports["socat"] = stack.enter_context(socat(sink))
            ports["socat -b 65536"] = stack.enter_context(socat(sink, "-b", "65536"))
        for what, once, unit, better in (
            ("forward a stream in pieces of 64 KiB", stream, "MB/s", "more"),
            (f"forward {SHORT} connections of 64 KiB, one by one", connections, "1/s", "more"),
            ("forward 64 bytes there and back", echoes, "us", "less"),
        ):
            found = contest({name: partial(once, port) for name, port in ports.items()})
            peer = found.get("socat")
            goal = None if peer is None else peer * 0.5 if better == "more" else None
            others = ", ".join(f"{name} {value:.4g}" for name, value in found.items() if name == "socat -b 65536")
            yield Row(
                what, found["ours"], unit, goal=goal, peer=peer, peer_name="socat", better=better,
                note=f"({others})" if others else "",
            )  # fmt: skip


def contest(contenders: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, in turns, so that a busy moment hits all; the first turn does not count."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(RUNS + 1):
        for name, once in contenders.items():
            value = once()
            if turn:
                found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def stream(port: int) -> float:
    """MB/s of one connection, until the far end has said how much arrived."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        start = time.perf_counter()
        for _ in range(LONG // len(PIECE)):
            connection.sendall(PIECE)
        connection.shutdown(socket.SHUT_WR)
        assert int(connection.recv(100)) == LONG
    return LONG / (time.perf_counter() - start) / 1e6


def connections(port: int) -> float:
    """Connections a second, each of one piece and its answer."""
    start = time.perf_counter()
    for _ in range(SHORT):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(PIECE)
            connection.shutdown(socket.SHUT_WR)
            assert int(connection.recv(100)) == len(PIECE)
    return SHORT / (time.perf_counter() - start)


def echoes(port: int) -> float:
    """Microseconds there and back."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"echo")
        assert connection.recv(1) == b"!"
        start = time.perf_counter()
        for _ in range(ECHOES):
            connection.sendall(b"x" * 64)
            assert len(connection.recv(64)) == 64
        return (time.perf_counter() - start) / ECHOES * 1e6


@contextmanager
def far_end() -> Iterator[int]:
    """Counts what comes and says so at its end; after `echo` it gives back what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_talk, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def _talk(connection: socket.socket) -> None:
    with connection:
        data = connection.recv(1 << 18)
        if data == b"echo":
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(b"!")
            while data := connection.recv(64):
                connection.sendall(data)
            return
        size = len(data)
        while data := connection.recv(1 << 18):
            size += len(data)
        connection.sendall(b"%d" % size)


@contextmanager
def ours(port: int) -> Iterator[int]:
    """A forward of ours; gives its port."""
    command = [sys.executable, "-m", "benchmarks._forwarder", str(port)]
    with process(command, stdout=subprocess.PIPE) as running:
        assert running.stdout
        yield int(running.stdout.readline())


@contextmanager
def socat(port: int, *options: str) -> Iterator[int]:
    """What a person would type for the same."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        mine = free.getsockname()[1]
    listen = f"TCP-LISTEN:{mine},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=512"
    with process(["socat", *options, listen, f"TCP:127.0.0.1:{port},nodelay"]):
        while True:
            try:
                socket.create_connection(("127.0.0.1", mine)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        yield mine


@contextmanager
def process(command: Sequence[str], **options: int) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, **options)  # type: ignore[call-overload] # a pipe or nothing
    try:
        yield running
    finally:
        running.terminate()
        running.communicate()
