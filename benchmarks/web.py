"""1 GiB over HTTP to curl, beside nginx with sendfile; and small files, one after the other over one connection."""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Row

FOLDER = Path(".cache/http").absolute()
SIZE = 1 << 30
SMALL = 2000
"""How many small files are fetched in one go."""

RUNS = 7

OURS = """
import asyncio, sys
from flowrunner_drivers.http.server import HttpServer

async def main():
    async with HttpServer.make({"root_dir": sys.argv[1], "host": "127.0.0.1", "port": int(sys.argv[2])}).opened():
        await asyncio.sleep(3600)

asyncio.run(main())
"""

NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr error; pid {work}/pid;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work}; uwsgi_temp_path {work};
  scgi_temp_path {work};
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def measure() -> Iterator[Row]:
    """Loopback, page cache warm, curl's start within its time; in turns, so that a busy moment hits both."""
    if not shutil.which("nginx"):
        print("needs nginx")
        return
    prepare()
    with tempfile.TemporaryDirectory() as work, ours() as own, nginx(Path(work)) as peer:
        places = {"ours": own, "nginx": peer}
        large = contest({name: ["curl", "-sS", "-o", "/dev/null", f"{url}/large"] for name, url in places.items()})
        yield row("GET of 1 GiB", "MiB/s", {name: SIZE / (1 << 20) / took for name, took in large.items()}, 0.5)
        small = contest(
            {name: [*["curl", "-sS", "-o", "/dev/null"], f"{url}/small?[1-{SMALL}]"] for name, url in places.items()}
        )
        yield row("GET of 1 KiB on a kept connection", "/s", {name: SMALL / took for name, took in small.items()}, None)


def row(name: str, unit: str, rates: dict[str, float], goal: float | None) -> Row:
    """One line; `goal` is a part of the peer's rate."""
    return Row(
        name, rates["ours"], unit, goal=goal and goal * rates["nginx"], peer=rates["nginx"], peer_name="nginx",
        better="more",
    )  # fmt: skip


def contest(commands: dict[str, list[str]]) -> dict[str, float]:
    """The median wall seconds of each; the first turn does not count."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(RUNS + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True)
            if turn:
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in found.items()}


@contextmanager
def ours() -> Iterator[str]:
    """Our server's address."""
    port = free()
    with running([sys.executable, "-c", OURS, str(FOLDER), str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx(work: Path) -> Iterator[str]:
    """The address of nginx with one worker."""
    port = free()
    config = work / "nginx.conf"
    config.write_text(NGINX.format(work=work, port=port, root=FOLDER))
    with running(["nginx", "-c", str(config), "-p", str(work)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A server, until somebody answers at its port."""
    with subprocess.Popen(command) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare() -> None:
    """The files, read once; holes read as fast as the page cache."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "small").write_bytes(bytes(1024))
    path = FOLDER / "large"
    if not path.exists() or path.stat().st_size != SIZE:
        with path.open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(b"\x5a" * (1 << 20))
    with path.open("rb") as file:
        while file.read(1 << 22):
            pass
