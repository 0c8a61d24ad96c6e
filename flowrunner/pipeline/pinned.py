"""Content from elsewhere that never moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pinned:
    """`pin` is its commit or digest, `files` the folder that it lies in."""

    pin: str
    files: Path
