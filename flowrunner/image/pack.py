"""Write a dump into a file: packed as the file's suffix says, or with holes where it is blank."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from flowrunner.image.content import sparse
from flowrunner.image.zstandard import zstd


class Sink(Protocol):
    """Takes bytes, one piece behind the other."""

    def write(self, data: bytes, /) -> object:
        """Take `data`."""
        ...


class _Sparse:
    """A file that gets a hole wherever 32 KiB or more are blank."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._end = 0

    def write(self, data: bytes) -> None:
        for extent in sparse([(self._end, data)]):
            if extent.data is not None:
                self._file.seek(extent.offset)
                left = memoryview(extent.data)
                while left:
                    left = left[self._file.write(left) :]
        self._end += len(data)

    def close(self) -> None:
        self._file.truncate(self._end)
        self._file.close()


@contextmanager
def packing(path: Path) -> Iterator[Sink]:
    """A new file at `path`: `.gz`, `.xz`, `.zst` and `.bz2` are packed, quickly rather than tightly."""
    match path.suffix:
        case ".gz":
            with gzip.open(path, "wb", compresslevel=1) as packed:
                yield packed
        case ".xz":
            with lzma.open(path, "wb", preset=0) as packed:
                yield packed
        case ".zst" | ".zstd":
            with zstd.open(path, "wb") as packed:
                yield packed
        case ".bz2":
            with bz2.open(path, "wb") as packed:
                yield packed
        case _:
            plain = _Sparse(path)
            try:
                yield plain
            finally:
                plain.close()
