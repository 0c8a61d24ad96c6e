"""SSH: commands and files on the device, by its SSH server."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Literal

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface, call, stream
from flowrunner.interfaces.ssh_copying import SshCopied, get, inside, items, put
from flowrunner.interfaces.ssh_session import Session, SshOutput
from flowrunner.model import Seconds


class SshLogin(BaseModel):
    """Who logs in, where it is not who the driver's config says; what is None is as configured. `key` is its text."""

    model_config = ConfigDict(frozen=True)

    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    key: str | None = Field(default=None, repr=False)
    passphrase: str | None = Field(default=None, repr=False)


class SshTerminal(BaseModel):
    """The terminal that a session is to have, and its size in characters."""

    term: str = "xterm-256color"
    columns: int = 80
    rows: int = 24


class SshServer(BaseModel):
    """Who answered: what it says of itself, who is logged in, and the fingerprint of its host key."""

    version: str
    username: str
    host_key: str


class SshEntry(BaseModel):
    """One entry of the device's file system. `size` is in bytes, `mode` the permissions, `target` that of a link."""

    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int
    mode: int
    target: str | None = None


class SshFile(BaseModel):
    """A file that was written: its size in bytes and the SHA-256 of its content, in hexadecimal."""

    path: str
    size: int
    sha256: str


class SshResult(BaseModel):
    """A command that has ended, with all that it said."""

    stdout: bytes
    stderr: bytes
    status: int


class Ssh(Interface):
    """A login at the device. One connection is shared by all that is done with one login; a lost one is made anew.

    Each call raises `BenchError`: the login was refused (`blame` is `config`), the host key is not the known one
    (`config`), nobody answered (`infra`), the connection was lost in the middle (`device`).
    """

    name = "ssh"
    jumpstarter = "jumpstarter_driver_ssh.client.SSHWrapperClient"

    @stream
    @abstractmethod
    def session(
        self,
        command: str | None = None,
        env: Mapping[str, str] | None = None,
        terminal: SshTerminal | None = None,
        login: SshLogin | None = None,
    ) -> AbstractAsyncContextManager[ByteStream]:
        """Run a command, or a shell without one; `Session` speaks over the stream. Leaving it ends the command."""

    @call
    @abstractmethod
    async def ready(self, within: Seconds = 0.0, login: SshLogin | None = None) -> SshServer:
        """Log in, trying again for `within` seconds while nobody answers, and say who answered."""

    @call
    @abstractmethod
    async def forget(self) -> None:
        """Close the connections, and take the next host key as the first one: the device was flashed anew."""

    @call
    @abstractmethod
    async def shared(self) -> SshLogin:
        """Who logs in, for a client that does so itself through the part `tcp`; the key only where that is shared."""

    @call
    @abstractmethod
    async def upload(
        self,
        path: str,
        content: AsyncIterable[bytes],
        mode: int | None = None,
        verify: bool = True,
        login: SshLogin | None = None,
    ) -> SshFile:
        """Write a whole file, beside `path` first and then renamed. With `verify` it is read back and compared.

        `mode` are its permissions: those of the file that it replaces when None, else 0o644. Folders are made.
        """

    @call
    @abstractmethod
    def download(self, path: str, login: SshLogin | None = None) -> AsyncIterator[bytes]:
        """The content of a file."""

    @call
    @abstractmethod
    async def digest(self, path: str, length: int | None = None, login: SshLogin | None = None) -> str:
        """The SHA-256 of a file as it is on the device, or of its first `length` bytes, in hexadecimal."""

    @call
    @abstractmethod
    def entries(self, path: str, login: SshLogin | None = None) -> AsyncIterator[SshEntry]:
        """`path` itself, a link followed, and all that is below it: folders before what is in them, links as such."""

    @call
    @abstractmethod
    async def mkdir(self, path: str, mode: int | None = None, login: SshLogin | None = None) -> None:
        """Make a folder and those above it; one that is there gets the mode, if any."""

    @call
    @abstractmethod
    async def link(self, path: str, target: str, login: SshLogin | None = None) -> None:
        """Make a symbolic link; a file or link that is there is replaced."""

    async def run(
        self,
        command: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        login: SshLogin | None = None,
    ) -> AsyncGenerator[SshOutput, None]:
        """Run a command; its output comes as it is printed, its status last. Closing it ends the command."""
        async with self.session(command, env, None, login) as opened:
            session = Session(opened)
            feeding = asyncio.create_task(session.fed(stdin))
            try:
                while True:
                    piece = await session.receive()
                    yield piece
                    if piece.status is not None:
                        return
            finally:
                feeding.cancel()
                await asyncio.wait((feeding,))

    async def execute(
        self,
        command: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        login: SshLogin | None = None,
    ) -> SshResult:
        """Run a command to its end, and keep all that it says."""
        out, err = bytearray(), bytearray()
        async with aclosing(self.run(command, stdin, env, login)) as pieces:
            async for piece in pieces:
                out += piece.stdout
                err += piece.stderr
                if piece.status is not None:
                    return SshResult(stdout=bytes(out), stderr=bytes(err), status=piece.status)
        raise BenchError("the command did not say how it ended", blame="device")

    async def put(
        self, source: Path, target: str, mode: int | None = None, verify: bool = True, login: SshLogin | None = None
    ) -> SshCopied:
        """Send a file or a folder of the job's host, with modes and links. Runs beside the job.

        A `target` that ends with a slash is the folder that it goes into, else it is its new name.
        """
        return await put(
            self, await anyio.to_thread.run_sync(items, source, target), mode=mode, verify=verify, login=login
        )

    async def get(self, source: str, target: Path, verify: bool = True, login: SshLogin | None = None) -> SshCopied:
        """Fetch a file or a folder to the path `target` of the job's host, or into it if it is a folder.

        Runs beside the job.
        """
        place = await anyio.to_thread.run_sync(inside, source, target)
        return await get(self, source, place, verify=verify, login=login)
