"""The folder of a run, and the lock that says whether its runner lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowrunner.errors import BenchError

LOCK = "run.lock"


@contextmanager
def create_folder(folder: Path, *, again: bool = False) -> Iterator[None]:
    """Make the run's folder and hold its lock as long as the run lives; `again` takes the one that is there.

    Raises:
        BenchError: it could not be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=again)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BenchError(
            f"the run's folder {folder} could not be made: {error.strerror}", blame="infra",
            help="choose another place with --runs or FLOW_RUNS",
        ) from error  # fmt: skip
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError(f"another process is at work on the run {folder.name}", blame="infra") from error
        _point_last(folder)
        yield
    finally:
        os.close(lock)


def lives(folder: Path) -> bool:
    """Whether the runner of this run is still there."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _point_last(folder: Path) -> None:
    """Let `last` beside the runs point at the newest one; another run may do the same at this moment."""
    link = folder.parent / f".last-{folder.name}"
    try:
        link.symlink_to(folder.name)
        link.replace(folder.parent / "last")
    except OSError:
        link.unlink(missing_ok=True)
