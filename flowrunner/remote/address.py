"""Where an exporter listens: `unix:PATH` or `HOST:PORT`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flowrunner.errors import PipelineError

LONGEST_PATH = 107
"""Bytes of a unix socket's path that Linux takes (unix(7))."""


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a connection: a socket in the file system, or a host and a port."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `unix:PATH`, `HOST:PORT` or, as JUMPSTARTER_HOST has it, a bare path.

        Raises:
            PipelineError: it is none of them, or the path is too long for a socket.
        """
        found = re.fullmatch(r"(?P<host>[\w.-]+|\[[\da-fA-F:.]+\]|):(?P<port>\d{1,5})", text)
        if found and int(found["port"]) <= 65535:
            return cls(host=found["host"].strip("[]"), port=int(found["port"]))
        path = text.removeprefix("unix://").removeprefix("unix:")
        if not path or (path == text and "/" not in text):
            raise PipelineError(
                f"'{text}' is no address of an exporter", code="usage", help="write HOST:PORT or unix:PATH"
            )
        if len(path.encode()) > LONGEST_PATH:
            what = f"the socket's path '{path}' has {len(path.encode())} bytes, more than {LONGEST_PATH}"
            raise PipelineError(what, code="usage", help="choose a shorter one, such as below /run or /tmp")
        return cls(path=Path(path))

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Whether `text` is meant as an address and not as the name of a file."""
        return bool(re.fullmatch(r"unix:.+|([\w.-]+|\[[\da-fA-F:.]+\]):\d+", text)) or Path(text).is_socket()

    @property
    def target(self) -> str:
        """The name for gRPC."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix://{self.path.absolute()}" if self.path else f"{host}:{self.port}"

    @property
    def here(self) -> bool:
        """Whether it can be reached from this machine only."""
        return self.path is not None or self.host in ("localhost", "127.0.0.1", "::1")

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else self.target
