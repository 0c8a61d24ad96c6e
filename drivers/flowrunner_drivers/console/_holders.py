"""Who has a serial port open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PSEUDO = range(136, 144)
"""Device numbers of pseudo terminals (devices.txt of the kernel)."""


def holders(port: Path) -> list[str]:
    """The other processes that have `port` open, as far as this user may see them.

    Nobody is told of a pseudo terminal: the program behind it, and what that has started, often have both of its ends.
    """
    real = port.resolve()
    if os.major(real.stat().st_rdev) in PSEUDO:
        return []
    return [_process(pid) for pid, handles in _open_files() if any(_is(handle, real) for handle in handles)]


def _open_files() -> Iterator[tuple[int, list[Path]]]:
    """Each other process with what it has open."""
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) != os.getpid():
            with suppress(OSError):  # another user's, or ended meanwhile
                yield int(entry.name), list((entry / "fd").iterdir())


def _is(handle: Path, real: Path) -> bool:
    try:
        return handle.readlink() == real and handle.samefile(real)  # another container has names of its own
    except OSError:
        return False  # closed meanwhile


def _process(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = "a program"
    return f"'{name}' (process {pid})"
