"""64 MiB over TFTP by curl and atftp, one block at a time and in windows, beside Debian's tftpd-hpa."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import Row

FOLDER = Path(".cache/tftp").absolute()
SIZE = 64 << 20
RUNS = 9
PEER = "/usr/sbin/in.tftpd"

OURS = """
import asyncio, sys
from flowrunner_drivers.tftp.server import Tftp

async def main():
    async with Tftp.make({"root_dir": sys.argv[1], "host": "127.0.0.1", "port": int(sys.argv[2])}).opened():
        await asyncio.sleep(3600)

asyncio.run(main())
"""


def measure() -> Iterator[Row]:
    """Loopback, page cache warm; the clients' processes start within their time."""
    if not (Path(PEER).exists() and shutil.which("atftp") and shutil.which("curl")):
        print("needs tftpd-hpa, atftp and curl")
        return
    prepare()
    with server(ours) as own, server(hpa) as peer:
        for name, command in CLIENTS.items():
            seconds = contest({"ours": partial(command, own), "hpa": partial(command, peer)})
            rates = {who: SIZE / (1 << 20) / took for who, took in seconds.items()}
            yield Row(
                f"64 MiB by {name}", rates["ours"], "MiB/s", goal=rates["hpa"], peer=rates["hpa"],
                peer_name="tftpd-hpa", better="more", note=f"(best of {RUNS})",
            )  # fmt: skip


def contest(contenders: dict[str, Callable[[], list[str]]]) -> dict[str, float]:
    """The best wall seconds of each, in turns; the first turn does not count.

    Each block waits for the one before, so whatever else this machine does adds to the time and never takes from it.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(RUNS + 1):
        for name, command in contenders.items():
            start = time.perf_counter()
            subprocess.run(command(), check=True, capture_output=True)
            if turn:
                found[name].append(time.perf_counter() - start)
    return {name: min(times) for name, times in found.items()}


def curl(port: int) -> list[str]:
    return ["curl", "-sS", "--tftp-blksize", "1468", "-o", "/dev/null", f"tftp://127.0.0.1:{port}/file"]


def atftp(port: int, *, window: int) -> list[str]:
    options = ["--option", "blksize 1468", "--option", f"windowsize {window}"]
    return ["atftp", *options, "-g", "-r", "file", "-l", "/dev/null", "127.0.0.1", str(port)]


CLIENTS: dict[str, Callable[[int], list[str]]] = {
    "curl, blksize 1468": curl,
    "atftp, blksize 1468, windowsize 1": partial(atftp, window=1),
    "atftp, blksize 1468, windowsize 16": partial(atftp, window=16),
}


@contextmanager
def server(command: Callable[[int], list[str]]) -> Iterator[int]:
    """A server on a free port, which is given."""
    port = free()
    with subprocess.Popen(command(port)) as process:
        try:
            awaited(port)
            yield port
        finally:
            process.terminate()


def ours(port: int) -> list[str]:
    return [sys.executable, "-c", OURS, str(FOLDER), str(port)]


def hpa(port: int) -> list[str]:
    return [PEER, "--foreground", "--secure", "--address", f"127.0.0.1:{port}", "--user", "root", str(FOLDER)]


def free() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def awaited(port: int) -> None:
    """Ask until an answer comes."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            try:
                probe.sendto(b"\0\1nothing\0octet\0", ("127.0.0.1", port))
                probe.recvfrom(600)
                return
            except OSError:
                time.sleep(0.02)
    raise RuntimeError(f"nobody answers at port {port}")


def prepare() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "file"
    if not path.exists() or path.stat().st_size != SIZE:
        path.write_bytes(os.urandom(SIZE))
    path.read_bytes()
