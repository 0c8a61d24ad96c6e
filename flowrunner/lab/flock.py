"""Files that are locked while a process lives: the kernel frees a lock when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self


class LockFile:
    """An open file with the kernel's lock on it, and a note in it for those who look."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock `path`, which is made when it is not there; None when another has it."""
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return cls(path, handle)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Replace what the file says."""
        text = json.dumps(facts).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

    def free(self, *, remove: bool = False) -> None:
        """Empty the file, unlock it, and delete it if asked."""
        os.ftruncate(self._handle, 0)
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def read_note(path: Path) -> dict[str, Any]:
    """What the holder of `path` wrote into it; empty when that is nothing."""
    try:
        found = json.loads(path.read_bytes() or b"{}")
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def lock_folder(environment: Mapping[str, str]) -> Path:
    """Where this machine's lease locks are, the same for all who share its benches; it is made when it is not there.

    `FLOW_LOCK_DIR`, else `/run/lock/flowrunner`, else `flowrunner` in `$XDG_RUNTIME_DIR`, else a folder per user
    in the temporary one. The first that can be written is taken.
    """
    if chosen := environment.get("FLOW_LOCK_DIR"):
        return _made(Path(chosen))
    if os.access("/run/lock", os.W_OK | os.X_OK):
        return _made(Path("/run/lock/flowrunner"))
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return _made(Path(runtime) / "flowrunner", mode=0o700)
    return _made(Path(tempfile.gettempdir()) / f"flowrunner-{os.getuid()}", mode=0o700)


def _made(folder: Path, mode: int = 0o1777) -> Path:
    for path in (folder, folder / "queue"):
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        path.chmod(mode)
    return folder


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(handle, 0o666)
    return handle


@contextmanager
def brief(folder: Path) -> Iterator[bool]:
    """The folder's own lock for a moment, under which leases and queue are looked at and changed; False: not now."""
    mutex = LockFile.take(folder / "mutex")
    try:
        yield mutex is not None
    finally:
        if mutex:
            mutex.free()
