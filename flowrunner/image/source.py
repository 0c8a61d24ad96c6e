"""The stored image: a file here, or something behind a URL."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Generator
from pathlib import Path

from flowrunner.errors import BenchError, Blame

CHUNK = 1 << 16
"""Bytes read at once from a local file that is streamed; also how exactly a damaged place can be named."""


class Source(ABC):
    """A stored image, read once. `position` is how far the reading is, in bytes of what is stored."""

    name: str
    size: int | None
    head: bytes
    position: int = 0
    blame: Blame = "config"
    checksum: str | None = None
    """What must come, where whoever stores it says so."""

    @abstractmethod
    def chunks(self) -> Generator[bytes, None, None]:
        """What is stored, in pieces. Runs in a worker thread."""

    def damaged(self, what: str, *, help: str | None = None) -> BenchError:
        """The error that says what is wrong with this image."""
        return BenchError(f"image '{self.name}' {what}", blame=self.blame, help=help)


class LocalSource(Source):
    """A file of this machine, open from the start."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            BenchError: it is not there, or cannot be read.
        """
        self.name = str(path)
        self.path = path
        try:
            self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BenchError(f"there is no image '{path}'", blame="config", help=_beside(path)) from error
        except OSError as error:
            raise BenchError(f"image '{path}' could not be opened: {error.strerror}", blame="config") from error
        try:
            if stat.S_ISDIR(os.fstat(self.handle).st_mode):
                raise self.damaged("is a folder")
            self.length = os.lseek(self.handle, 0, os.SEEK_END)
            self.size = self.length
            self.head = os.pread(self.handle, 16, 0)
        except BaseException:
            self.close()
            raise

    def chunks(self) -> Generator[bytes, None, None]:
        self.position = 0
        while True:
            try:
                chunk = os.pread(self.handle, CHUNK, self.position)
            except OSError as error:
                raise self.damaged(f"could not be read at byte {self.position}: {error.strerror}") from error
            if not chunk:
                return
            yield chunk
            self.position += len(chunk)

    def close(self) -> None:
        """Close the file."""
        os.close(self.handle)


def _beside(path: Path) -> str | None:
    """What lies where the image should be."""
    if not path.parent.is_dir():
        return f"there is no folder '{path.parent}' either"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file() and entry.name[0] != ".")
    return f"in its folder: {', '.join(names[:8])}" if names else "its folder is empty"
