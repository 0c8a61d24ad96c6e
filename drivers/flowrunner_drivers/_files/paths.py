"""Paths that stay below a root, whatever is in them."""

from __future__ import annotations

import posixpath
from pathlib import Path

from flowrunner.errors import BenchError


class Paths:
    """Checks paths; `root` is the folder on this host where there is one: links are followed there, and must stay."""

    def __init__(self, root: Path | None) -> None:
        self.root = root.resolve() if root else None

    def inside(self, path: str, *, last: bool = True) -> str:
        """`path` as the store has it: no slash at its ends, no dots, no links; with `last` the last link, too.

        Raises:
            BenchError: it leads out of the root, or is no path.
        """
        if "\0" in path:
            raise BenchError("a path cannot hold a zero byte", blame="config")
        clean = posixpath.normpath(path.strip("/") or ".")
        if clean == ".." or clean.startswith("../"):
            raise _leads_out(path)
        clean = "" if clean == "." else clean
        if self.root is None or not clean:
            return clean
        place = self.root / clean
        real = _real(place, path) if last else _real(place.parent, path) / place.name
        if not real.is_relative_to(self.root):
            raise _leads_out(path)
        return "" if real == self.root else str(real.relative_to(self.root))

    def shown(self, path: str) -> bool:
        """Whether an entry of a listing stays below the root."""
        try:
            return bool(self.inside(path)) or not path
        except BenchError:
            return False

    def missing(self, path: str) -> list[str]:
        """The folders above `path` that are not there, the topmost first; none where folders are not real."""
        above = [str(folder) for folder in Path(path).parents if str(folder) != "."]
        return [folder for folder in reversed(above) if self.root and not (self.root / folder).exists()]


def parent(path: str) -> str:
    """The folder that `path` is in, `` at the top."""
    return posixpath.dirname(path)


def _real(place: Path, path: str) -> Path:
    try:
        return place.resolve()
    except (OSError, RuntimeError) as error:
        raise BenchError(f"'{path}' leads in a circle", blame="config") from error


def _leads_out(path: str) -> BenchError:
    return BenchError(f"'{path}' leads out of the root of these files", blame="config")
