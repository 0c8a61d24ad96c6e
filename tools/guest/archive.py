"""The initial RAM disk as a cpio archive of the kind that the kernel reads (newc)."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its mode with the kind of file, its content, and the numbers of a device."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(data: bytes, mode: int = 0o644) -> Entry:
    """A file."""
    return Entry(stat.S_IFREG | mode, data)


def folder() -> Entry:
    """A folder."""
    return Entry(stat.S_IFDIR | 0o755)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def console() -> Entry:
    """/dev/console, which the kernel opens for the first process."""
    return Entry(stat.S_IFCHR | 0o600, device=(5, 1))


def newc(entries: Mapping[str, Entry], epoch: int) -> bytes:
    """The archive; the format is in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst."""
    parts = [_member(number, name, entry, epoch) for number, (name, entry) in enumerate(entries.items(), start=1)]
    return b"".join([*parts, _member(0, "TRAILER!!!", Entry(0), 0)])


def _member(number: int, name: str, entry: Entry, epoch: int) -> bytes:
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, epoch, len(entry.data), 0, 0, *entry.device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
