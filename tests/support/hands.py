"""A bench of real small parts, and `flow` beside it as a person uses it: in processes, in terminals, over sockets."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pexpect
import pytest

from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Locks
from tests.support.flow import clean

slow = pytest.mark.machine
"""A test that starts many processes: not one of the fast ones."""

FLOW = [sys.executable, "-m", "flowrunner"]
START_LIMIT = 20.0
"""Seconds that an exporter may take to say that it is ready, on a machine with much else to do."""

BENCH = """
metadata: {{name: lamp}}
export:
  power: {{type: power.command, config: {{"on": "touch {folder}/lamp", "off": "rm -f {folder}/lamp", read: "echo 5 0.1", interval: 10ms}}}}
  console: {{type: console.process, config: {{command: [sh, -c, "stty raw -echo; echo ready; exec cat"]}}}}
  tools:
    type: shell.command
    config:
      methods:
        hello: 'echo "hello $1 $X"; echo careful >&2; exit $2'
        slow: 'echo begun; touch {folder}/slow; sleep 60'
  disk: {{type: storage.file, config: {{path: {folder}/disk.img, size: 1MiB}}}}
"""


@dataclass
class Desk:
    """A folder with the bench's file, in which `flow` runs. Sockets have short names: their paths may be 107 bytes."""

    folder: Path
    bench: str = BENCH

    def __post_init__(self) -> None:
        self.write(self.bench)

    def write(self, bench: str) -> None:
        """Write the bench's file."""
        self.file.write_text(bench.format(folder=self.folder))

    @property
    def file(self) -> Path:
        """The bench's file."""
        return self.folder / "bench.yaml"

    @property
    def lamp(self) -> Path:
        """Exists while the power is on."""
        return self.folder / "lamp"

    @property
    def socket(self) -> str:
        """Where the exporter listens."""
        return f"unix:{self.folder}/s"

    def leases(self) -> list[str]:
        """The owners of what is leased on this bench's machine."""
        held = anyio.run(Locks(lock_folder(self.environment())).leases)
        return [str(lease.facts["owner"]) for lease in held]

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of each `flow`."""
        kept = {name: value for name, value in clean().items() if not name.startswith(("JMP_", "JUMPSTARTER_"))}
        bin = str(Path(sys.executable).parent)
        path = f"{bin}:{kept['PATH']}"
        return {**kept, "PATH": path, "FLOW_LOCK_DIR": str(self.folder / "locks"), "TERM": "dumb", **more}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `flow`; its standard input is empty."""
        return subprocess.Popen(
            [*FLOW, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment(**environment),
        )  # fmt: skip

    def flow(self, *arguments: str, input: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `flow` to its end."""
        return subprocess.run(
            [*FLOW, *arguments], cwd=self.folder, input=input or "", capture_output=True, text=True, timeout=60,
            env=self.environment(**environment),
        )  # fmt: skip

    def device(self, *words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `flow device` at the exporter."""
        return self.flow("device", "--exporter", self.socket, *words, input=input)

    @contextmanager
    def exporter(self, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """`flow exporter run`, ready; it is told to stop at the end, unless it has ended."""
        process = self.start("exporter", "run", str(self.file), *(options or ("--listen", self.socket)), **environment)
        try:
            line(process)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.communicate()

    @contextmanager
    def terminal(self, *arguments: str, **environment: str) -> Iterator[pexpect.spawn[str]]:
        """`flow` in a terminal of its own."""
        terminal = pexpect.spawn(
            FLOW[0], [*FLOW[1:], *arguments], cwd=str(self.folder), timeout=START_LIMIT, encoding="utf-8",
            env=self.environment(**environment), dimensions=(30, 200),
        )  # fmt: skip
        try:
            yield terminal
        finally:
            terminal.close(force=True)


def line(process: subprocess.Popen[str], *, error: bool = False) -> str:
    """The next line of its standard output, or of standard error.

    Raises:
        AssertionError: there is none; what it said on standard error is shown.
    """
    stream = process.stderr if error else process.stdout
    assert stream
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], START_LIMIT)
        piece = os.read(stream.fileno(), 1) if ready else b""  # never more than the line: the rest is others' to read
        if not piece:
            process.kill()
            raise AssertionError(f"it said {text!r} and no more; standard error: {process.communicate()[1]}")
        text += piece
    return text.decode()


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]
