"""What paths and patterns of an author stand for."""

from __future__ import annotations

from collections.abc import Callable
from glob import has_magic
from pathlib import Path

from flowrunner.errors import BenchError


def matches(path: Path, text: str, wanted: Callable[[Path], bool]) -> list[Path]:
    """The entries that `path` stands for; of a pattern those that are `wanted`, by name. `text` is how it was written.

    Raises:
        BenchError: it is a pattern, and nothing fits it.
    """
    if path.exists() or not has_magic(text):
        return [path]
    root = Path(path.anchor)
    found = sorted(filter(wanted, root.glob(str(path.relative_to(root)))))
    if not found:
        raise BenchError(f"no file matches '{text}'", blame="config")
    return found
