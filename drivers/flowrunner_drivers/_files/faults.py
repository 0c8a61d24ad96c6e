"""What opendal says went wrong, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from flowrunner.errors import BenchError


class NoSuchFileError(BenchError):
    """There is nothing at that path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no file '{path}'", blame="config")


@contextmanager
def told(verb: str, path: str) -> Iterator[None]:
    """What goes wrong inside leaves as a `BenchError` that names what was done (`written`, `read`) to which path."""
    try:
        yield
    except (BenchError, NotImplementedError):
        raise
    except Exception as error:
        raise _ours(error, verb, path) from error


def _ours(error: Exception, verb: str, path: str) -> BenchError:
    match _kind(error):
        case "NotFound":
            return NoSuchFileError(path)
        case "IsADirectory":
            return BenchError(f"'{path}' is a folder", blame="config")
        case "PermissionDenied":
            return BenchError(f"'{path}' may not be {verb}: {reason(error)}", blame="config")
        case "Unsupported":
            return BenchError(f"this store has no way for '{path}' to be {verb}", blame="config")
        case _:
            return BenchError(f"'{path}' could not be {verb}: {reason(error)}", blame="infra")


def _kind(error: Exception) -> str:
    """The name of the error: a class of opendal's, or the first word where that became an `OSError`."""
    if "os error 21" in str(error):
        return "IsADirectory"
    if _status(error) in ("401", "403"):
        return "PermissionDenied"
    return type(error).__name__ if type(error).__module__.startswith("opendal") else str(error).partition(" ")[0]


def _status(error: Exception) -> str | None:
    found = re.search(r"Parts \{ status: (\d+)", str(error))
    return found[1] if found else None


def reason(error: Exception) -> str:
    """The part of opendal's message that says why, without its context, which may hold what is secret."""
    if status := _status(error):
        return f"the server answered with status {status}"
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    first, _, source = lines[0].rpartition("=> ")[2].partition(", source: ")
    if "Source:" in lines[:-1]:
        source = lines[lines.index("Source:") + 1]
    source = source.partition("(")[0].strip()
    return f"{first}: {source}" if source else first
