"""Which part of a file a request is for (RFC 9110, section 14)."""

from __future__ import annotations

import re

ONE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """No byte of the file is in the range."""


def part(header: str | None, size: int) -> range | None:
    """The bytes that are asked for; None for all of them.

    What is not understood, and several ranges at once, are answered with all of it, as the RFC allows.

    Raises:
        Unsatisfiable: the file is shorter.
    """
    found = ONE.fullmatch(header) if header else None
    if not found or len(header or "") > 100:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
        if int(last) == 0:
            raise Unsatisfiable
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return range(start, stop)
