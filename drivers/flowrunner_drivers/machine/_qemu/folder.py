"""The machine's folder: private, gone with the machine, and swept up by the next one after a kill -9."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "flow-qemu-"
YOUNG = 60.0
"""Seconds for which a folder without a lock is left alone: its maker may be about to lock it."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user can enter; its lock says that somebody needs it."""
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path, young: float = YOUNG) -> None:
    """Remove the folders whose owners are dead."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            status = folder.stat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime >= young and _free(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _free(folder: Path) -> bool:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)
