"""Names as Kubernetes takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 40
"""Characters of a name to which systems still add something of their own; Kubernetes takes 63."""


def labels(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """For each name one of RFC 1123: small letters, digits and hyphens, no two the same."""
    found: dict[str, str] = {}
    used = set(taken)
    for name in names:
        base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-") or "job"
        free, number = base, 1
        while free in used:
            number += 1
            free = f"{base}-{number}"
        found[name] = free
        used.add(free)
    return found
