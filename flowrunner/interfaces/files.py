"""Files: a store of files beside the device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator

from pydantic import BaseModel

from flowrunner.interface import Interface, call


class FileStat(BaseModel):
    """What is known of one entry; `size` is in bytes."""

    path: str
    size: int
    directory: bool = False


class Files(Interface):
    """Read, write, list and delete files below one root."""

    name = "files"
    jumpstarter = "jumpstarter_driver_opendal.client.OpendalClient"

    @call
    @abstractmethod
    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file; parent folders are made."""

    @call
    @abstractmethod
    def read(self, path: str) -> AsyncIterator[bytes]:
        """A file's content, in pieces."""

    @call
    @abstractmethod
    async def stat(self, path: str) -> FileStat:
        """Size and kind of one entry."""

    @call
    @abstractmethod
    async def list(self, path: str = "") -> list[FileStat]:
        """The entries of one folder, by name."""

    @call
    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete one file; a file that is not there is no error."""
