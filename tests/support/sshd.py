"""A real OpenSSH server, started by the test on a free port of loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from tests.support.peers import free_port

SSHD = "/usr/sbin/sshd"
START_LIMIT = 20.0
"""Seconds that the server may take to listen, on a machine with much else to do."""

CONFIG = """
{more}
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication {passwords}
KbdInteractiveAuthentication no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
SetEnv HOME={folder}
"""


@dataclass
class Sshd:
    """A server, and what is needed to get in."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The config of a driver that is let in."""
        return {"host": "127.0.0.1", "port": self.port, "username": getpass.getuser(), "key": {"file": self.key}}

    @property
    def key(self) -> Path:
        """The private key that is let in."""
        return self.folder / "client"

    @property
    def host_key(self) -> str:
        """The fingerprint of its host key."""
        said = subprocess.run(
            ["ssh-keygen", "-lf", self.folder / "host.pub"], capture_output=True, text=True, check=True
        )
        return said.stdout.split()[1]

    def start(self, more: str = "", *, passwords: bool = False) -> None:
        """Start it; it may take a moment until it listens."""
        text = CONFIG.format(port=self.port, folder=self.folder, more=more, passwords="yes" if passwords else "no")
        (self.folder / "sshd_config").write_text(text)
        self.start_again()

    def start_again(self) -> None:
        """Start it with the config that it has."""
        Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def listening(self) -> None:
        """Wait until it listens."""
        with anyio.fail_after(START_LIMIT):
            while "Server listening" not in (self.folder / "log").read_text(errors="replace"):
                assert self.process
                assert self.process.poll() is None, (self.folder / "log").read_text()
                await anyio.sleep(0.01)

    def kill(self) -> None:
        """End it and all of its connections at once, as a crash of the device does."""
        if self.process is None:
            return
        for pid in sorted(_below(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = None


@asynccontextmanager
async def sshd(folder: Path, more: str = "", *, passwords: bool = False) -> AsyncIterator[Sshd]:
    """A server that listens. Its folder is made below `folder`."""
    server = prepared(folder)
    (server.folder / "log").unlink(missing_ok=True)
    server.start(more, passwords=passwords)
    try:
        await server.listening()
        yield server
    finally:
        server.kill()


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """The same where no loop runs, as in a fixture of a module."""
    server = prepared(folder)
    server.start()
    try:
        anyio.run(server.listening)
        yield server
    finally:
        server.kill()


def prepared(folder: Path) -> Sshd:
    """A server that has its keys, and is not started."""
    place = folder / "sshd"
    place.mkdir(exist_ok=True)
    for name in ("host", "client"):
        if not (place / name).exists():
            keygen(place / name)
    shutil.copy(place / "client.pub", place / "authorized")
    return Sshd(place, free_port())


def keygen(path: Path, passphrase: str = "", kind: str = "ed25519") -> None:
    """Make a pair of keys."""
    command: list[str | Path] = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path, "-C", "test"]
    subprocess.run([*command, *(["-b", "2048"] if kind == "rsa" else [])], check=True, stdin=subprocess.DEVNULL)


def _below(pid: int) -> Iterator[int]:
    try:
        tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, tasks):
        yield child
        yield from _below(child)
