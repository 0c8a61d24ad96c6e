"""Texts that stand for files: an editor knows more than the disk does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_OPEN: ContextVar[Mapping[Path, str] | None] = ContextVar("overlay", default=None)


@contextmanager
def overlaid(texts: Mapping[Path, str]) -> Iterator[None]:
    """Inside, each file of `texts`, which are by resolved path, has that text, whatever is on the disk."""
    token = _OPEN.set(texts)
    try:
        yield
    finally:
        _OPEN.reset(token)


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it could not be read.
    """
    texts = _OPEN.get()
    text = texts.get(path.resolve()) if texts else None
    return path.read_bytes() if text is None else text.encode("utf-8", "surrogatepass")
