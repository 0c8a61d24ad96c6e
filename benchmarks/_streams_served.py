"""All that serves streams for a measurement: what the device is, our exporter, the peer's, and bare grpc.aio."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import PEERS, flow

HERE = Path(__file__).parent
FOLDER = Path(".cache/streams").absolute()

OURS = """
export:
  net: {{type: network.tcp, config: {{host: 127.0.0.1, port: {port}}}}}
  disk: {{type: storage.file, config: {{path: {folder}/ours}}}}
"""
THEIRS = """
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {{namespace: default, name: bench}}
endpoint: ""
token: ""
export:
  net: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}
  files: {{type: jumpstarter_driver_opendal.driver.Opendal, config: {{scheme: fs, kwargs: {{root: {folder}}}}}}}
"""


@dataclass(frozen=True)
class Places:
    """The sockets and ports of those who serve; no peer is installed when `theirs` is 0."""

    ours: int
    bare: int
    theirs: int


@contextmanager
def served() -> Iterator[Places]:
    """Start all that serves; leaving ends it."""
    far_end = str(HERE / "_streams_far_end.py")
    with ExitStack() as stack:
        tcp = stack.enter_context(started([sys.executable, far_end, "tcp"]))
        plain = stack.enter_context(started([sys.executable, far_end, "bare"]))
        (FOLDER / "ours.yaml").write_text(OURS.format(port=tcp, folder=FOLDER))
        (FOLDER / "theirs.yaml").write_text(THEIRS.format(port=tcp, folder=FOLDER))
        port, peer = free_port(), free_port()
        run = [str(flow()), "exporter", "run", str(FOLDER / "ours.yaml"), "--insecure", "--no-supervise"]
        stack.enter_context(running([*run, "--listen", f"127.0.0.1:{port}"], port))
        if (PEERS / "jmp").exists():
            run = [str(PEERS / "jmp"), "run", "--exporter-config", str(FOLDER / "theirs.yaml"), "--tls-grpc-insecure"]
            stack.enter_context(running([*run, "--tls-grpc-listener", f"127.0.0.1:{peer}"], peer))
        yield Places(port, plain, peer if (PEERS / "jmp").exists() else 0)


@contextmanager
def started(command: list[str]) -> Iterator[int]:
    """A process that prints its port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A process that listens on a port some time after its start."""
    path = FOLDER / "log"
    with path.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            while not listens(port):
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended: {path.read_text()[-800:]}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
