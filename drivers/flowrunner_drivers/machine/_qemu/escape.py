"""Paths in QEMU's options."""

from __future__ import annotations

from pathlib import Path


def value(path: Path) -> str:
    """A path inside an option: QEMU wants its commas doubled."""
    return str(path).replace(",", ",,")
