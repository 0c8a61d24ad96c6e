"""The real Jumpstarter beside us: its exporter in a process of its own, its command line and its client on ours."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import psutil

from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Endpoint, Trust

BIN = Path(__file__).parents[2] / ".cache/peers/bin"
"""Where `make` puts Jumpstarter."""

START_LIMIT = 30.0
"""Seconds that their exporter may take to start, on a machine with much else to do."""

HEAD = """
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: peer}
endpoint: ""
token: ""
"""


@dataclass(frozen=True)
class Peer:
    """An exporter of theirs: at a unix socket, and at a port of loopback."""

    unix: Endpoint
    tcp: Endpoint
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it, as a power cut does."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            each.kill()
        self.process.kill()


@contextmanager
def peer(
    config: str, *, options: Sequence[str] = ("--tls-grpc-insecure",), parts: str = "", **trust: object
) -> Iterator[Peer]:
    """Run `jmp run` with the rest of an exporter's file. `parts` is the text of a module `parts` that it may name.

    `trust` is what a client needs for the port, besides what `options` say.
    """
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        file, log = Path(folder, "exporter.yaml"), Path(folder, "log")
        file.write_text(HEAD + dedent(config))
        Path(folder, "parts.py").write_text(dedent(parts))
        port = free_port()
        command: list[str | Path] = [
            BIN / "jmp",
            "run",
            "--exporter-config",
            file,
            "--tls-grpc-listener",
            f"127.0.0.1:{port}",
            *options,
        ]
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder, "TMPDIR": folder, "PYTHONPATH": folder, "HOME": folder}
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
        try:
            said = _started(log, process)
            tcp = Endpoint(address=Address(host="127.0.0.1", port=port), **(trust or {"trust": Trust(insecure=True)}))  # type: ignore[arg-type]
            yield Peer(Endpoint(address=Address(path=Path(said))), tcp, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            finally:
                _end_all(process)


def j(
    host: str | Path, *words: str | Path, send: bytes | None = None, within: float = 30.0
) -> subprocess.CompletedProcess[bytes]:
    """Run their command line on an exporter, as in their shell."""
    return subprocess.run([BIN / "j", *words], input=send, capture_output=True, env=surroundings(host), timeout=within)


def python(host: str | Path, program: str, *arguments: str | Path) -> str:
    """Run a program with their client library: `client` is the root of the exporter's parts. What it printed."""
    head = "import sys\nfrom jumpstarter.utils.env import env\nwith env() as client:\n"
    text = head + "".join(f"    {line}\n" for line in dedent(program).strip().splitlines())
    done = subprocess.run(
        [BIN / "python", "-c", text, *arguments], capture_output=True, text=True, env=surroundings(host), timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def surroundings(host: str | Path) -> dict[str, str]:
    """The environment in which their programs find an exporter, as their shell sets it; a port is plain text."""
    return {
        **os.environ, "JUMPSTARTER_HOST": str(host).removeprefix("unix:"), "JMP_DRIVERS_ALLOW": "UNSAFE",
        "_JMP_SUPPRESS_DRIVER_WARNINGS": "1", "JMP_GRPC_INSECURE": "1", "COLUMNS": "200",
    }  # fmt: skip


def free_port() -> int:
    """A port of loopback that nobody listened on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _started(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The path of its socket, once it says so."""
    deadline = time.monotonic() + START_LIMIT
    while True:
        said = log.read_text(errors="replace")
        if found := re.search(r"Session server started on .* and unix://(\S+)", said):
            return found[1]
        assert process.poll() is None and time.monotonic() < deadline, said
        time.sleep(0.02)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Whatever it left behind in its session."""
    for each in psutil.process_iter():
        try:
            if os.getsid(each.pid) == process.pid:
                each.kill()
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    process.wait(10)
