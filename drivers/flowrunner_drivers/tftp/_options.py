"""What server and client agree on (RFC 2347): blksize (2348), timeout and tsize (2349), windowsize (7440)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BLKSIZE = range(8, 65465)
"""RFC 2348."""

TIMEOUT = range(1, 256)
"""Seconds, RFC 2349."""

WINDOWSIZE = range(1, 65536)
"""RFC 7440."""

LARGEST_WINDOW = 8192
"""Blocks: far fewer than the 65536 numbers there are, so that an old ACK is not taken for a new one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the server goes along: bytes of a block, blocks of a window, and its own seconds without an ACK."""

    blksize: int = BLKSIZE[-1]
    windowsize: int = 64
    timeout: float = 1.0


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds for one transfer. `answer` are the options for the OACK; when it is empty there is none."""

    answer: Mapping[str, str]
    blksize: int = 512
    windowsize: int = 1
    timeout: float = 1.0


def agree(options: Mapping[str, str], limits: Limits, size: int | None) -> Agreed:
    """Take what can be taken; an option that is not known, or whose value is not allowed, is left unanswered.

    `size` is that of what is sent, in bytes.
    """
    answer: dict[str, str] = {}
    blksize = _number(options.get("blksize"), BLKSIZE)
    if blksize:
        blksize = min(blksize, limits.blksize)
        answer["blksize"] = str(blksize)
    timeout = _number(options.get("timeout"), TIMEOUT)
    if timeout:
        answer["timeout"] = str(timeout)
    if "tsize" in options and size is not None:
        answer["tsize"] = str(size)
    windowsize = _number(options.get("windowsize"), WINDOWSIZE)
    if windowsize:
        windowsize = min(windowsize, limits.windowsize)
        answer["windowsize"] = str(windowsize)
    return Agreed(answer, blksize or 512, windowsize or 1, timeout or limits.timeout)


def _number(text: str | None, allowed: range) -> int | None:
    if not text or len(text) > 5 or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if int(text) in allowed else None
